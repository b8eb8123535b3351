//! A terminal: what is said scrolls by, and below it stands what is under way, since when, and what comes next. A few times a
//! second a thread writes both in one piece; in between everything waits here.
//!
//! The cursor is neither hidden nor left in the middle of a line, and the terminal's settings are not touched: however the
//! process ends, there is nothing to give back.

use super::{Style, put, screen};
use crate::words::span;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use unicode_width::UnicodeWidthChar as _;

/// How long a picture stands.
const PERIOD: Duration = Duration::from_millis(90);

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// How many of those that come next are shown.
const NEXT: usize = 8;

/// How long a line of a child's is waited for. What is longer becomes several.
const LINE: usize = 8 * 1024;

/// How much waits at most.
const ABOVE: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Live {
    style: Style,
    /// What comes next, and whether it comes whatever happens before.
    next: VecDeque<(String, bool)>,
    now: Option<Now>,
    /// What is to be written above the list.
    above: String,
    /// What a child has written of a line.
    line: Vec<u8>,
    /// What stands there.
    drawn: Vec<Row>,
    is_ticking: bool,
    is_paused: bool,
}

#[derive(Debug)]
struct Now {
    title: String,
    since: Instant,
    progress: String,
}

/// A line of the list, with its colours, and how wide it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    text: String,
    width: usize,
}

/// How large the terminal is.
#[derive(Debug, Clone, Copy)]
struct Size {
    columns: usize,
    rows: usize,
}

impl Live {
    pub(super) const fn new(style: Style) -> Self {
        Self {
            style,
            next: VecDeque::new(),
            now: None,
            above: String::new(),
            line: Vec::new(),
            drawn: Vec::new(),
            is_ticking: false,
            is_paused: false,
        }
    }

    pub(super) fn expect(&mut self, next: Vec<(String, bool)>) {
        self.next = next.into();
        self.tick_from_now_on();
    }

    /// Nothing comes any more but what comes whatever happens.
    pub(super) fn turn(&mut self) {
        self.next.retain(|(_, always)| *always);
    }

    /// This one is over or begins, and those before it never do.
    pub(super) fn pass(&mut self, name: &str) {
        if self.next.iter().any(|(next, _)| next == name) {
            while self.next.pop_front().is_some_and(|(next, _)| next != name) {}
        }
    }

    pub(super) fn begin(&mut self, name: &str, title: &str) {
        self.pass(name);
        self.now = Some(Now { title: title.to_owned(), since: Instant::now(), progress: String::new() });
        self.tick_from_now_on();
    }

    pub(super) fn end(&mut self) {
        self.end_line();
        self.now = None;
        self.settle();
    }

    pub(super) fn progress(&mut self, text: &str) -> bool {
        let Some(now) = &mut self.now else { return false };
        now.progress = text.to_owned();
        true
    }

    pub(super) fn say(&mut self, text: &str) {
        self.above.push_str(text);
        self.settle();
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() > LINE {
                self.end_line();
            }
        }
        self.settle();
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self) {
        self.end_line();
        self.next.clear();
        self.now = None;
        self.clear();
    }

    /// The terminal is as if there were no list, until the next picture.
    pub(super) fn clear(&mut self) {
        put(self.picture(&[], size()).as_bytes());
    }

    pub(super) fn pause(&mut self) {
        self.is_paused = true;
        self.clear();
    }

    /// What stands there now nobody knows: it is left alone.
    pub(super) fn go_on(&mut self) {
        self.is_paused = false;
        self.drawn.clear();
    }

    fn is_active(&self) -> bool {
        self.now.is_some() || !self.next.is_empty()
    }

    fn end_line(&mut self) {
        if self.line.is_empty() {
            return;
        }
        let line = shown(&std::mem::take(&mut self.line));
        self.above.push_str(&line);
        self.above.push_str(if line.contains('\u{1b}') { "\u{1b}[0m\n" } else { "\n" });
    }

    /// What has been said is written at once where nobody would do it soon, or where it has become much.
    fn settle(&mut self) {
        if !self.is_active() {
            self.end_line();
            self.clear();
        } else if self.above.len() > ABOVE {
            self.draw();
        }
    }

    fn draw(&mut self) {
        if self.is_paused {
            return;
        }
        let size = size();
        let rows = if is_in_background() { vec![] } else { self.rows(size, Instant::now()) };
        put(self.picture(&rows, size).as_bytes());
    }

    fn tick_from_now_on(&mut self) {
        if self.is_active() && !self.is_ticking {
            let ticking = std::thread::Builder::new().name("terminal".into()).spawn(tick);
            self.is_ticking = ticking.is_ok();
        }
    }

    /// Whether there will be another picture.
    fn tick(&mut self) -> bool {
        self.is_ticking = self.is_active();
        if self.is_ticking {
            self.draw();
        }
        self.is_ticking
    }

    /// What makes the terminal show what is to stand above, and below it these rows instead of those before.
    fn picture(&mut self, rows: &[Row], size: Size) -> String {
        if self.above.is_empty() && self.drawn == rows {
            return String::new();
        }
        // A terminal that has become narrower has wrapped what stood there.
        let lines: usize = self.drawn.iter().map(|row| row.width.div_ceil(size.columns).max(1)).sum();
        let mut picture = if lines > 0 { format!("\r\u{1b}[{lines}A\u{1b}[J") } else { String::new() };
        picture.push_str(&std::mem::take(&mut self.above));
        for row in rows {
            picture.push_str(&row.text);
            picture.push('\n');
        }
        self.drawn = rows.to_vec();
        picture
    }

    fn rows(&self, size: Size, at: Instant) -> Vec<Row> {
        // The last column stays free: some terminals wrap once it is written to.
        let columns = size.columns.saturating_sub(1);
        let style = self.style;
        let mut rows = vec![];
        let half = (size.rows / 2).max(1);
        if !self.line.is_empty() && half > 2 {
            let (text, width) = cut(&format!("  {}", plain(&shown(&self.line))), columns);
            rows.push(Row { text: style.dim(&text), width });
        }
        if let Some(now) = &self.now {
            let past = at.saturating_duration_since(now.since);
            let turns = usize::try_from(past.as_millis() / PERIOD.as_millis()).unwrap_or_default();
            let (title, first) = cut(&format!(" {}", plain(&now.title)), columns.saturating_sub(1));
            let seconds = Duration::from_secs(past.as_secs());
            let mut rest = if seconds.is_zero() { String::new() } else { format!("  {}", span(seconds)) };
            if !now.progress.is_empty() {
                rest.push_str(&format!("  {}", plain(&now.progress)));
            }
            let (rest, second) = cut(&rest, columns.saturating_sub(1 + first));
            let spinner = style.yellow(SPINNER[turns % SPINNER.len()]);
            let text = format!("{spinner}{}{}", style.bold(&title), style.dim(&rest));
            rows.push(Row { text, width: 1 + first + second });
        }
        let room = half.saturating_sub(rows.len()).min(NEXT);
        let more = self.next.len().saturating_sub(room);
        let named = if more > 0 { room.saturating_sub(1) } else { room };
        let names = self.next.iter().take(named).map(|(name, _)| plain(name));
        let rest = (more > 0 && room > 0).then(|| format!("and {} more", self.next.len() - named));
        for name in names.chain(rest) {
            let (text, width) = cut(&format!("· {name}"), columns);
            rows.push(Row { text: style.dim(&text), width });
        }
        rows
    }
}

/// The thread that draws, as long as there is something to draw.
fn tick() {
    loop {
        std::thread::sleep(PERIOD);
        let goes_on = screen(|screen| match &mut screen.surface {
            super::Surface::Live(live) => live.tick(),
            _ => false,
        });
        if !goes_on {
            return;
        }
    }
}

fn size() -> Size {
    let size = terminal_size::terminal_size_of(std::io::stderr());
    let (columns, rows) = size.map_or((80, 24), |(width, height)| (width.0, height.0));
    // A terminal that does not say how large it is says that it has no columns.
    let known = |value: u16, otherwise| if value == 0 { otherwise } else { usize::from(value) };
    Size { columns: known(columns, 80), rows: known(rows, 24) }
}

/// Whether the terminal belongs to somebody else: then there are lines, and no list among what they write.
fn is_in_background() -> bool {
    #[cfg(unix)]
    return rustix::termios::tcgetpgrp(std::io::stderr()).is_ok_and(|group| group != rustix::process::getpgrp());
    #[cfg(not(unix))]
    false
}

/// A line of a child's as a terminal would show it in the end: what follows the last return to its beginning. Its colours stay;
/// whatever else would move the cursor or change the terminal does not.
fn shown(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.trim_ascii_end();
    let last = line.iter().rposition(|byte| *byte == b'\r').map_or(0, |place| place + 1);
    let text = String::from_utf8_lossy(&line[last..]);
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => clean.push_str(&sequence(&mut rest)),
            '\t' => clean.push('\t'),
            character if character.is_control() => {}
            character => clean.push(character),
        }
    }
    clean
}

/// What stays of a sequence that began with an escape, which is read to its end.
fn sequence(rest: &mut std::str::Chars<'_>) -> String {
    match rest.next() {
        Some('[') => {
            let parameters: String = rest.clone().take_while(|it| ('\u{20}'..'\u{40}').contains(it)).collect();
            let last = rest.nth(parameters.len());
            let colours = last == Some('m') && parameters.chars().all(|it| it.is_ascii_digit() || ";:".contains(it));
            if colours { format!("\u{1b}[{parameters}m") } else { String::new() }
        }
        // A title, or a link: as far as the bell, or the escape and backslash that end it.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(character) = rest.next() {
                match character {
                    '\u{7}' | '\u{9c}' => break,
                    '\u{1b}' => {
                        rest.next();
                        break;
                    }
                    _ => {}
                }
            }
            String::new()
        }
        _ => String::new(),
    }
}

/// A text without colours, on one line.
fn plain(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => drop(sequence(&mut rest)),
            character if character.is_control() => clean.push(' '),
            character => clean.push(character),
        }
    }
    clean
}

/// As much of a text as there are columns, and how many it takes.
fn cut(text: &str, columns: usize) -> (String, usize) {
    let wide = |character: char| character.width().unwrap_or_default();
    let whole: usize = text.chars().map(wide).sum();
    if whole <= columns {
        return (text.to_owned(), whole);
    }
    let mut width = 0;
    let fits = |character: &char| {
        width += wide(*character);
        width < columns
    };
    let mut part: String = text.chars().take_while(fits).collect();
    let mut width = part.chars().map(wide).sum();
    if columns > 0 {
        part.push('…');
        width += 1;
    }
    (part, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { columns: 20, rows: 24 };

    /// As a test sees it: nothing is written, and no thread draws.
    fn live(next: &[&str]) -> Live {
        let mut live = Live { is_ticking: true, ..Live::new(Style::plain()) };
        live.expect(next.iter().map(|name| ((*name).to_owned(), false)).collect());
        live
    }

    fn texts(live: &Live, size: Size, past: u64) -> Vec<String> {
        let at = live.now.as_ref().map_or_else(Instant::now, |now| now.since + Duration::from_secs(past));
        live.rows(size, at).into_iter().map(|row| row.text).collect()
    }

    #[test]
    fn what_is_under_way_stands_above_what_comes_next() {
        let mut live = live(&["one", "two", "three"]);
        live.begin("one", "one");
        assert_eq!(texts(&live, SIZE, 0), ["⠋ one", "· two", "· three"]);
        assert!(live.progress("3 of 7 done"));
        assert_eq!(
            texts(&live, SIZE, 65),
            ["⠋ one  1m 5s  3 of…", "· two", "· three"].map(|text| {
                // The spinner turns with the time.
                text.replace('⠋', SPINNER[65_000 / 90 % 10])
            })
        );
        live.end();
        live.pass("two");
        assert_eq!(texts(&live, SIZE, 0), ["· three"]);
    }

    #[test]
    fn it_takes_half_of_the_terminal_at_most() {
        let names: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        let mut live = live(&names.iter().map(String::as_str).collect::<Vec<_>>());
        live.begin("0", "0");
        assert_eq!(texts(&live, SIZE, 0).len(), 1 + NEXT);
        assert_eq!(texts(&live, SIZE, 0)[NEXT], "· and 22 more");
        assert_eq!(texts(&live, Size { rows: 6, ..SIZE }, 0), ["⠋ 0", "· 1", "· and 28 more"]);
        assert_eq!(texts(&live, Size { rows: 1, ..SIZE }, 0), ["⠋ 0"]);
    }

    #[test]
    fn no_row_is_as_wide_as_the_terminal() {
        let mut live = live(&["something-long-that-comes-next", "漢字漢字漢字漢字漢字漢字"]);
        live.begin("a", "a-step-with-a-long-name");
        live.write("and its child writes 漢字".as_bytes());
        for columns in 1..40 {
            for row in live.rows(Size { columns, rows: 24 }, Instant::now()) {
                let width: usize = row.text.chars().filter_map(unicode_width::UnicodeWidthChar::width).sum();
                assert_eq!(row.width, width);
                // But for the spinner, which is always there.
                assert!(width < columns.max(2), "{columns}: {row:?}");
            }
        }
    }

    #[test]
    fn a_picture_replaces_the_one_before_and_lines_stay_above_it() {
        let mut live = live(&["one"]);
        let rows = live.rows(SIZE, Instant::now());
        assert_eq!(live.picture(&rows, SIZE), "· one\n");
        assert_eq!(live.picture(&rows, SIZE), "", "nothing has changed");
        live.say("said\n");
        assert_eq!(live.picture(&rows, SIZE), "\r\u{1b}[1A\u{1b}[Jsaid\n· one\n");
        let narrow = Size { columns: 3, ..SIZE };
        assert_eq!(live.picture(&[], narrow), "\r\u{1b}[2A\u{1b}[J", "the terminal has wrapped it");
        assert_eq!(live.picture(&[], narrow), "");
    }

    #[test]
    fn a_line_of_a_child_is_shown_before_its_end_and_said_after_it() {
        let mut live = live(&[]);
        live.begin("a", "a");
        live.write(b"10%\r50%");
        assert_eq!(texts(&live, SIZE, 0), ["  50%", "⠋ a"]);
        live.write(b"\r100%\r\nnext");
        assert_eq!(live.above, "100%\n");
        live.say("said\n");
        live.write(b" line\n");
        assert_eq!(live.above, "100%\nsaid\nnext line\n");
    }

    #[test]
    fn a_child_has_colours_and_no_cursor() {
        for (line, expected) in [
            ("\u{1b}[1;31mred\u{1b}[0m", "\u{1b}[1;31mred\u{1b}[0m"),
            ("\u{1b}[2Jcleared\u{1b}[3A\u{1b}[?25l", "cleared"),
            ("\u{1b}]0;title\u{7}a\u{1b}]8;;x\u{1b}\\b", "ab"),
            ("\u{1b}7\u{8}\u{7}a\tb\u{1b}", "a\tb"),
            ("\u{1b}[>4;2mx\u{1b}[", "x"),
            ("dots...\r\r\n", "dots..."),
        ] {
            assert_eq!(shown(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn what_never_ends_its_line_is_not_kept_for_ever() {
        let mut live = live(&[]);
        live.begin("a", "a");
        for _ in 0..50 {
            live.write(&[b'x'; 1000]);
        }
        assert!(live.line.len() <= LINE + 1000);
        assert!(live.above.len() > 30_000);
    }

    #[test]
    fn after_a_failure_only_what_comes_in_any_case_comes_next() {
        let mut live = live(&[]);
        live.next = [("a".to_owned(), false), ("report".to_owned(), true)].into();
        live.turn();
        assert_eq!(texts(&live, SIZE, 0), ["· report"]);
    }
}
