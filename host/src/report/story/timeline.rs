//! When which step was at work, as a picture: one row for each step, what was done and what was taken back in it. It is as wide as
//! there is room, and its texts are as large as those around it.

use super::words::{Mark, took, work_mark, work_word};
use super::{Kind, Story, Work, WorkOutcome};
use maud::{Markup, html};

/// How many rows are drawn.
const ROWS: usize = 200;
/// How high one is.
const ROW: usize = 36;
/// The part of the whole that a pause takes in which nothing was at work, such as a night before a rollback.
const PAUSE: f64 = 0.04;

/// When something was, in milliseconds since the beginning of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    from: f64,
    to: f64,
}

struct Bar {
    span: Span,
    mark: Mark,
    title: String,
}

struct Row {
    name: String,
    says: String,
    bars: Vec<Bar>,
}

/// The picture; none where nothing was at work.
pub(super) fn timeline(story: &Story) -> Option<Markup> {
    let begin: jiff::Timestamp = story.started.parse().ok()?;
    let mut rows: Vec<Row> = story
        .steps
        .iter()
        .filter(|step| !step.work.is_empty())
        .map(|step| row(step.id.clone(), &step.work, begin, &story.last))
        .collect();
    let again = story.checks_again.iter();
    rows.extend(again.map(|it| row(format!("{} (what is live again)", it.step), [&it.work], begin, &story.last)));
    if rows.is_empty() {
        return None;
    }
    let more = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    let scale = Scale::of(rows.iter().flat_map(|row| row.bars.iter().map(|bar| bar.span)).collect());
    let height = rows.len() * ROW + 24;
    Some(html! {
        svg.timeline width="100%" height=(height) role="img" aria-label="when which step was at work" {
            @for pause in &scale.pauses {
                line.pause x1=(percent(scale.at(pause.from) + PAUSE / 2.0)) x2=(percent(scale.at(pause.from) + PAUSE / 2.0)) y1="0" y2=(rows.len() * ROW) {
                    title { "nothing was at work for " (took_of(pause.to - pause.from)) }
                }
            }
            @for (index, row) in rows.iter().enumerate() {
                text.name x="0" y=(index * ROW + 14) { (row.name) }
                text.says x="100%" y=(index * ROW + 14) text-anchor="end" { (row.says) }
                rect.track x="0" width="100%" y=(index * ROW + 20) height="8" rx="4" {}
                @for bar in &row.bars {
                    (draw(bar, &scale, index * ROW + 20))
                }
            }
            text.says x="0" y=(height - 6) { "0" }
            text.says x="100%" y=(height - 6) text-anchor="end" { (took_of(scale.end)) }
        }
        @if more > 0 { p { "and " (more) " more" } }
    })
}

fn draw(bar: &Bar, scale: &Scale, y: usize) -> Markup {
    let (from, to) = (scale.at(bar.span.from), scale.at(bar.span.to));
    // What was over at once is seen all the same, and what is at the very end is not beyond it.
    let width = (to - from).max(0.006);
    let from = from.min(1.0 - width).max(0.0);
    html! {
        rect class={"bar " (bar.mark.class())} x=(percent(from)) width=(percent(width)) y=(y) height="8" rx="4" {
            title { (bar.title) }
        }
    }
}

fn percent(part: f64) -> String {
    format!("{:.3}%", part * 100.0)
}

fn took_of(milliseconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time that was an integer, and is no less than 0"
    )]
    took(milliseconds.max(0.0) as u64)
}

fn row<'a>(name: String, work: impl IntoIterator<Item = &'a Work>, begin: jiff::Timestamp, last: &str) -> Row {
    let mut says = Vec::new();
    let mut bars = Vec::new();
    for work in work {
        let since = |at: &str| {
            let at: Option<jiff::Timestamp> = at.parse().ok();
            #[expect(clippy::cast_precision_loss, reason = "a picture is not that exact")]
            at.map_or(0.0, |at| at.duration_since(begin).as_millis() as f64)
        };
        let from = since(&work.started);
        #[expect(clippy::cast_precision_loss, reason = "a picture is not that exact")]
        // What was cut off was at work until it was heard of last.
        let to = work.duration_ms.map_or_else(|| since(last), |length| from + length as f64);
        let what = match work.kind {
            Kind::Apply if work.attempt > 1 => format!("attempt {}", work.attempt),
            Kind::Apply => "the step".to_owned(),
            Kind::Revert => "taking back".to_owned(),
            Kind::Check => "the check".to_owned(),
        };
        let length = took_of(to - from);
        let mark = match (work.kind, work.outcome) {
            (Kind::Revert, WorkOutcome::Succeeded) => Mark::Back,
            (_, outcome) => work_mark(outcome),
        };
        bars.push(Bar {
            span: Span { from, to: to.max(from) },
            mark,
            title: format!("{name}: {what}, {}, {length}", work_word(work.outcome)),
        });
        says.push(if work.kind == Kind::Revert { format!("↩ {length}") } else { length });
    }
    Row { name, says: says.join(" · "), bars }
}

/// Where on the picture a time is.
struct Scale {
    /// When nothing was at work, for so long that it would make all else too small to be seen.
    pauses: Vec<Span>,
    /// When the last bar ends.
    end: f64,
}

impl Scale {
    fn of(mut spans: Vec<Span>) -> Self {
        spans.sort_by(|one, other| one.from.total_cmp(&other.from));
        let end = spans.iter().map(|span| span.to).fold(0.0, f64::max);
        let mut busy = 0.0;
        let mut pauses = Vec::new();
        let mut until = 0.0_f64;
        for span in spans {
            if span.from > until {
                pauses.push(Span { from: until, to: span.from });
            }
            busy += (span.to - span.from.max(until)).max(0.0);
            until = until.max(span.to);
        }
        // A pause that is no longer than the work is a part of it.
        pauses.retain(|pause| pause.to - pause.from > f64::max(busy, 1_000.0));
        Self { pauses, end }
    }

    /// The part of the whole that a time is at, from 0 to 1.
    fn at(&self, time: f64) -> f64 {
        let length = |pause: &Span| pause.to - pause.from;
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        let pauses = self.pauses.len() as f64 * PAUSE;
        let whole = self.end - self.pauses.iter().map(length).sum::<f64>();
        let mut before = 0.0;
        let mut drawn = 0.0;
        for pause in &self.pauses {
            if time <= pause.from {
                break;
            }
            let passed = (time - pause.from).min(length(pause));
            before += passed;
            drawn += PAUSE * passed / length(pause);
        }
        drawn + (time - before) / whole.max(1.0) * (1.0 - pauses).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_is_no_longer_on_the_picture_than_a_pause() {
        let span = |from, to| Span { from, to };
        let scale = Scale::of(vec![span(0.0, 500.0), span(500.0, 1_000.0)]);
        assert_eq!((scale.at(0.0), scale.at(500.0), scale.at(1_000.0)), (0.0, 0.5, 1.0));
        let night = 36_000_000.0;
        let scale = Scale::of(vec![span(night, night + 1_000.0), span(0.0, 1_000.0)]);
        assert_eq!(scale.pauses, [span(1_000.0, night)]);
        for (time, place) in [(0.0, 0.0), (1_000.0, 0.48), (night, 0.52), (night + 1_000.0, 1.0)] {
            assert!((scale.at(time) - place).abs() < 1e-9, "{time}: {}", scale.at(time));
        }
    }

    #[test]
    fn what_took_no_time_is_somewhere() {
        let scale = Scale::of(vec![Span { from: 0.0, to: 0.0 }]);
        assert!(scale.at(0.0).abs() < 1e-9);
    }
}
