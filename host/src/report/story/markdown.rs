//! The story in Markdown, as GitHub's page of a job shows it. Whatever others wrote stands in it as text: it ends no table and no
//! block, begins no HTML, links nowhere and mentions nobody.

use super::read::trouble as trouble_of;
use super::text::Texts;
use super::words::{Fact, Mark, effect_word, parts, pieces, place, row_mark, severity, step_mark, step_word, time};
use super::{PlanStory, PlannedStory, Story, WorkOutcome};
use crate::event::Trouble;
use crate::problem::Problem;
use crate::report::verdict::Tone;
use crate::secret::Redactor;
use std::fmt::Write as _;

/// How much of a text in a line is shown, in characters.
const LINE: usize = 400;

/// How much of an error is shown, in bytes.
const BLOCK: usize = 20_000;

/// A part of the page. Where there is not enough room, rows are left out.
struct Section {
    /// What its rows are, in the plural.
    what: &'static str,
    before: String,
    rows: Vec<String>,
    after: &'static str,
}

/// The story of a run, in no more than so many bytes. Where it does not fit, the longest lists lose their ends.
#[must_use]
pub fn markdown(story: &Story, room: usize) -> String {
    let (tone, sentence) = story.verdict();
    let sign = match tone {
        Tone::Good => "✅",
        Tone::Open => "⚠️",
        Tone::Bad => "❌",
    };
    let mut head = format!("## {sign} {}\n\n", text(&sentence));
    head.push_str("| | |\n| --- | --- |\n");
    for (name, fact) in story.facts() {
        let value = match fact {
            Fact::Text(value) => text(&value),
            Fact::Code(value) => code(&value),
            Fact::Link(name, url) => link(&name, &url),
        };
        let _ = writeln!(head, "| {name} | {value} |");
    }
    head.push('\n');
    let next = next(story);
    let (above, below) = if story.is_well() { ("", next.as_str()) } else { (next.as_str(), "") };
    head.push_str(above);
    let mut sections = vec![troubles(story), steps(story), migrations(story), checks(story)];
    sections.extend(story.plan.as_ref().map(planned));
    sections.extend([approvals(story), capabilities(story), findings(story), notes(story)]);
    let tail = format!("{below}Windlass {}, run {}\n", text(&story.windlass), code(&story.run));
    joined(&head, sections, &tail, room, &story.run)
}

/// What can be done, where there is anything.
fn next(story: &Story) -> String {
    let standing = &story.standing;
    if standing.next.is_none() && standing.commands.is_empty() {
        return String::new();
    }
    let mut next = format!("### {}\n\n", story.next_title());
    if let Some(says) = &standing.next {
        let _ = writeln!(next, "{}\n", text(says));
    }
    if !standing.commands.is_empty() {
        let commands = standing.commands.iter().map(|it| format!("# {}\n{}\n", it.does, it.command));
        next.push_str(&fenced(&commands.collect::<String>(), "sh"));
    }
    if story.deployment.forge == "github" {
        next.push_str(
            "In a workflow these are the action's inputs `command`, `environment` and `args`; on a machine of yours add \
             `--forge github`.\n\n",
        );
    }
    next
}

/// A plan that was not run, in no more than so many bytes.
#[must_use]
pub fn plan_markdown(plan: &PlanStory, title: &str, room: usize) -> String {
    let mut head = format!("## 📋 plan: {}\n\n{}\n\n{}\n\n", text(title), text(&plan.summary), code(&plan.digest));
    head.push_str(&warned(plan));
    if plan.is_incomplete() {
        head.push_str("⚠️ the plan is incomplete: an approval cannot bind to it\n\n");
    }
    joined(&head, vec![planned(plan)], "", room, "")
}

/// What kept a command from doing anything, in no more than so many bytes.
#[must_use]
pub fn problems_markdown(what: &str, problems: &[Problem], redactor: &Redactor, room: usize) -> String {
    let rows = problems.iter().map(|problem| {
        let trouble = Trouble::from(problem);
        let place = problem.place.as_ref().map(|place| {
            let (line, column) = place.line_and_column();
            format!("{}\n\n", code(&format!("{}:{line}:{column}", place.file)))
        });
        format!("{}{}", place.unwrap_or_default(), fenced(&parts(&trouble_of(Texts(redactor), &trouble)), "text"))
    });
    let head = format!("## ❌ {}\n\n", text(what));
    let section = Section { what: "errors", before: String::new(), rows: rows.collect(), after: "" };
    joined(&head, vec![section], "", room, "")
}

/// All of it, with as much of the sections as there is room for.
fn joined(head: &str, sections: Vec<Section>, tail: &str, room: usize, run: &str) -> String {
    let sections: Vec<Section> = sections.into_iter().filter(|section| !section.rows.is_empty()).collect();
    // What there has to be, with room for what is said of what was left out.
    let size = |section: &Section| section.rows.iter().map(String::len).sum::<usize>();
    let fixed: usize = sections.iter().map(|section| section.before.len() + section.after.len() + 200).sum();
    let left = room.saturating_sub(head.len() + tail.len() + fixed + 400);
    let each = share(sections.iter().map(size).collect(), left);
    let mut cut = Vec::new();
    let mut body = String::new();
    for section in &sections {
        body.push_str(&section.before);
        let mut used = 0;
        let fits = |row: &&String| {
            used += row.len();
            used <= each
        };
        let shown = section.rows.iter().take_while(fits).inspect(|row| body.push_str(row)).count();
        body.push_str(section.after);
        if shown < section.rows.len() {
            cut.push(format!("{} of {} {}", section.rows.len() - shown, section.rows.len(), section.what));
        }
    }
    let mut page = head.to_owned();
    if !cut.is_empty() {
        let whole = if run.is_empty() {
            String::new()
        } else {
            format!(": {} shows all", code(&format!("windlass report {run}")))
        };
        let _ = writeln!(page, "⚠️ there was no room for {}{whole}\n", cut.join(", "));
    }
    page.push_str(&body);
    page.push_str(tail);
    page
}

/// How long each of some lists may be, so that all have room together and only the longest are cut.
fn share(mut sizes: Vec<usize>, room: usize) -> usize {
    sizes.sort_unstable();
    let mut left = room;
    let count = sizes.len();
    for (index, size) in sizes.into_iter().enumerate() {
        let each = left / (count - index);
        if size > each {
            return each;
        }
        left -= size;
    }
    room
}

fn troubles(story: &Story) -> Section {
    let row =
        |(place, trouble): (String, &Trouble)| format!("{}\n\n{}\n", text(&place), fenced(&parts(trouble), "text"));
    Section {
        what: "errors",
        before: "### What went wrong\n\n".into(),
        rows: story.troubles().into_iter().map(row).collect(),
        after: "",
    }
}

fn sign(mark: Mark) -> &'static str {
    match mark {
        Mark::Good => "✅",
        Mark::Bad => "❌",
        Mark::Back => "↩️",
        Mark::Open => "⚠️",
        Mark::Nothing => "➖",
    }
}

fn steps(story: &Story) -> Section {
    let rows = story.steps.iter().map(|step| {
        let attempts = if step.attempts > 1 { format!(", attempt {}", step.attempts) } else { String::new() };
        let took = step.times();
        let says = step.in_short().map(|says| text(&says)).unwrap_or_default();
        let mark = sign(step_mark(step));
        format!(
            "| {mark} | {} | {} | {}{attempts} | {took} | {says} |\n",
            code(&step.id),
            code(&step.plugin),
            step_word(step)
        )
    });
    Section {
        what: "steps",
        before: "### Steps\n\n| | step | plugin | outcome | took | |\n| --- | --- | --- | --- | --- | --- |\n".into(),
        rows: rows.collect(),
        after: "\n",
    }
}

fn migrations(story: &Story) -> Section {
    let rows = story.migrations.iter().map(|row| {
        format!(
            "| {} | {} | {} | {} |\n",
            sign(row_mark(row.outcome)),
            code(&row.name),
            text(&row.results.join(", then ")),
            code(&row.step)
        )
    });
    Section {
        what: "migrations",
        before: "### Migrations\n\n| | migration | | step |\n| --- | --- | --- | --- |\n".into(),
        rows: rows.collect(),
        after: "\n",
    }
}

fn checks(story: &Story) -> Section {
    let row = |outcome, name: &str, result: &str, step: &str, again: bool| {
        let again = if again { " (of what is live again)" } else { "" };
        format!("| {} | {} | {}{again} | {} |\n", sign(row_mark(outcome)), code(name), text(result), code(step))
    };
    let rows = story.checks.iter().map(|it| row(it.outcome, &it.name, &it.results.join(", then "), &it.step, it.again));
    Section {
        what: "checks",
        before: "### Checks\n\n| | check | | step |\n| --- | --- | --- | --- |\n".into(),
        rows: rows.collect(),
        after: "\n",
    }
}

impl PlanStory {
    /// Whether something could not be found out.
    fn is_incomplete(&self) -> bool {
        let mut intents = self.steps.iter().flat_map(|step| &step.intents);
        intents.any(|intent| intent.effect == crate::plugin::Effect::Unknown)
    }
}

/// That something else than the commit is deployed, and what programs are not held to.
fn warned(plan: &PlanStory) -> String {
    plan.differs
        .iter()
        .chain(&plan.withheld)
        .chain(&plan.confinement)
        .chain(&plan.proxied)
        .map(|warning| format!("⚠️ {}\n\n", text(warning)))
        .collect()
}

fn planned(plan: &PlanStory) -> Section {
    let rows = plan.steps.iter().flat_map(|step: &PlannedStory| {
        let id = code(&step.id);
        let single = if step.finally {
            Some("at the end, however it ends")
        } else if step.deferred {
            Some("planned once the steps that it uses are done")
        } else if step.intents.is_empty() {
            Some("nothing to do")
        } else {
            None
        };
        let single = single.map(|says| format!("| {id} | | {says} |\n"));
        let intents = step
            .intents
            .iter()
            .map(move |intent| format!("| {id} | {} | {} |\n", effect_word(intent.effect), text(&intent.summary)));
        single.into_iter().chain(intents)
    });
    Section {
        what: "planned things",
        before: format!("### Plan\n\n{}\n\n| step | | |\n| --- | --- | --- |\n", text(&plan.summary)),
        rows: rows.collect(),
        after: "\n",
    }
}

fn approvals(story: &Story) -> Section {
    let rows = story.approvals.iter().flatten().map(|approver| {
        let at = approver.at.as_deref().map(time).unwrap_or_default();
        let comment = approver.comment.as_deref().map(text).unwrap_or_default();
        format!("| {} | {} | {comment} |\n", text(&approver.name), text(&at))
    });
    Section {
        what: "approvals",
        before: "### Approvals\n\n| who | when | comment |\n| --- | --- | --- |\n".into(),
        rows: rows.collect(),
        after: "\n",
    }
}

fn capabilities(story: &Story) -> Section {
    let rows = story.steps.iter().flat_map(|step| {
        let id = code(&step.id);
        let capabilities = &step.capabilities;
        let denied = capabilities.denied.iter().map(|it| ("⛔ denied", it));
        let used = capabilities.used.iter().map(|it| ("used", it));
        let asked = denied.chain(used).map(|(what, it)| (what, format!("{}, {}×", text(&it.asked), it.times)));
        let granted = capabilities.granted.iter().map(|it| ("granted", text(it)));
        let rows: Vec<_> = asked.chain(granted).map(|(what, says)| format!("| {id} | {what} | {says} |\n")).collect();
        rows
    });
    Section {
        what: "capabilities",
        before:
            "<details><summary>Capabilities granted, used and denied</summary>\n\n| step | | |\n| --- | --- | --- |\n"
                .into(),
        rows: rows.collect(),
        after: "\n</details>\n\n",
    }
}

fn findings(story: &Story) -> Section {
    let rows = story.steps.iter().flat_map(|step| {
        // Where it was tried again it has seen the same again.
        let work = step.work.iter().filter(|work| work.outcome != WorkOutcome::TriedAgain);
        work.flat_map(|work| &work.findings).map(|finding| {
            let place = place(finding).map(|place| code(&place)).unwrap_or_default();
            format!("| {} | {} | {} | {place} |\n", severity(finding), code(&step.id), text(&finding.message))
        })
    });
    Section {
        what: "findings",
        before: "### Findings\n\n| | step | | |\n| --- | --- | --- | --- |\n".into(),
        rows: rows.collect(),
        after: "\n",
    }
}

fn notes(story: &Story) -> Section {
    let rows = story.notes.iter().map(|note| format!("- {}: {}\n", text(&time(&note.at)), text(&note.text)));
    Section { what: "notes", before: "### Notes\n\n".into(), rows: rows.collect(), after: "\n" }
}

/// A text in a line: what stands between backticks is code, and the rest is as it is.
fn text(text: &str) -> String {
    let text: String = cut(text).into_iter().collect();
    pieces(&text).into_iter().map(|(is_code, piece)| if is_code { code(piece) } else { plain(piece) }).collect()
}

fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        // A time and what comes before a list are no address.
        if character == ':' && characters.peek().is_none_or(|next| next.is_whitespace() || next.is_ascii_digit()) {
            safe.push(character);
            continue;
        }
        escape(character, &mut safe);
        // Neither a person nor an issue is called by it.
        if matches!(character, '@' | '#') && characters.peek().is_some_and(|next| next.is_alphanumeric()) {
            safe.push_str("&#8288;");
        }
    }
    unlinked(safe)
}

/// A text in a line, as code.
fn code(text: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || " ._/+=,-:()".contains(character);
    let text: String = cut(text).into_iter().collect();
    if !text.is_empty() && text.trim() == text && text.chars().all(is_plain) {
        return format!("`{text}`");
    }
    let mut safe = String::with_capacity(text.len() + 16);
    text.chars().for_each(|character| escape(character, &mut safe));
    format!("<code>{}</code>", unlinked(safe))
}

fn cut(text: &str) -> Vec<char> {
    let mut characters: Vec<char> = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    if characters.len() > LINE {
        characters.truncate(LINE - 1);
        characters.push('…');
    }
    characters
}

/// What Markdown may read as more than a character is written as its number, which it never does.
fn escape(character: char, safe: &mut String) {
    if character.is_ascii_punctuation() && !".,-/()=+%;".contains(character) {
        let _ = write!(safe, "&#{};", u32::from(character));
    } else {
        safe.push(character);
    }
}

/// GitHub makes links of what looks like one.
fn unlinked(text: String) -> String {
    if text.contains("www.") { text.replace("www.", "www&#46;") } else { text }
}

/// A link, where the address is one.
fn link(name: &str, url: &str) -> String {
    let parsed = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(url) = parsed else { return text(name) };
    let mut safe = String::new();
    String::from(url).chars().for_each(|character| escape(character, &mut safe));
    format!("<a href=\"{safe}\">{}</a>", text(name))
}

/// Text as a block of code that nothing in it can end.
fn fenced(text: &str, language: &str) -> String {
    let mut shown = text;
    let mut more = "";
    if text.len() > BLOCK {
        let end = (0..=BLOCK).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        (shown, more) = (&text[..end], "\n… (cut)\n");
    }
    let longest = shown.split(|character| character != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let end = if shown.ends_with('\n') || !more.is_empty() { "" } else { "\n" };
    format!("{fence}{language}\n{shown}{more}{end}{fence}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_a_text_and_nothing_else() {
        assert_eq!(text("a | b"), "a &#124; b");
        assert_eq!(text("<script>alert(1)</script>"), "&#60;script&#62;alert(1)&#60;/script&#62;");
        assert_eq!(
            text("`x` [a](b) *c* _d_ ~e~ $f$"),
            "`x` &#91;a&#93;(b) &#42;c&#42; &#95;d&#95; &#126;e&#126; &#36;f&#36;"
        );
        assert_eq!(
            text("one `|` is `<b>`, and one ` is none"),
            "one &#96;&#124;&#96; is &#96;&#60;b&#62;&#96;, and one &#96; is none"
        );
        assert_eq!(text("`<b>` is"), "<code>&#60;b&#62;</code> is");
        assert_eq!(text("hi @everyone, see #12"), "hi &#64;&#8288;everyone, see &#35;&#8288;12");
        assert_eq!(text("two\nlines\\"), "two lines&#92;");
        assert_eq!(text("https://a.example www.b.example"), "https&#58;//a.example www&#46;b.example");
        assert_eq!(code("migrate@0.1.0"), "<code>migrate&#64;0.1.0</code>");
        assert_eq!(code("a b-1.0"), "`a b-1.0`");
        assert_eq!(code("``|"), "<code>&#96;&#96;&#124;</code>");
        assert_eq!(code(""), "<code></code>");
        assert_eq!(text(&"é".repeat(500)).chars().count(), LINE);
    }

    #[test]
    fn a_block_ends_where_we_end_it() {
        assert_eq!(fenced("a\n```\n# b\n", "text"), "````text\na\n```\n# b\n````\n\n");
        assert_eq!(fenced("a", "text"), "```text\na\n```\n\n");
        let long = fenced(&"é".repeat(BLOCK), "text");
        assert!(long.len() < BLOCK + 100 && long.contains("é\n… (cut)\n```"), "{}", &long[long.len() - 30..]);
    }

    #[test]
    fn only_a_web_address_is_a_link() {
        assert_eq!(link("x", "javascript:alert(1)"), "x");
        assert_eq!(link("x", "https://a/\"><script>"), "<a href=\"https&#58;//a/%22%3E%3Cscript%3E\">x</a>");
    }

    #[test]
    fn the_longest_lists_are_cut_first() {
        assert_eq!(share(vec![10, 20, 30], 100), 100);
        assert_eq!(share(vec![10, 200, 300], 100), 45);
        assert_eq!(share(vec![], 100), 100);
        let section = |what, count: usize| Section {
            what,
            before: "<\n".into(),
            rows: (0..count).map(|row| format!("{row:04}\n")).collect(),
            after: ">\n",
        };
        let page = joined("head\n", vec![section("few", 3), section("many", 5000)], "tail\n", 2000, "r1");
        assert!(page.len() <= 2000, "{}", page.len());
        assert!(page.contains("0002\n>\n<\n0000\n"), "{page}");
        assert!(page.contains(" of 5000 many: `windlass report r1` shows all\n"), "{page}");
        assert!(page.ends_with(">\ntail\n"), "{page}");
    }
}
