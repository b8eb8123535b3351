//! Whole messages, as they are sent.

use super::*;
use crate::sample;

/// What a reader sees, one line per text, with the kind of the block.
fn shown(message: &Message) -> Vec<String> {
    let mut lines = vec![format!("text: {}", message.text)];
    for block in &message.blocks {
        let kind = block["type"].as_str().expect("a type");
        let texts = block.get("fields").or(block.get("elements")).map_or_else(
            || vec![block["text"]["text"].clone()],
            |parts| parts.as_array().expect("parts").iter().map(|part| part["text"].clone()).collect(),
        );
        lines.extend(
            texts.iter().map(|text| format!("{kind}: {}", text.as_str().expect("a text").replace('\n', " / "))),
        );
    }
    lines
}

fn bare() -> Config {
    Config { text: None, mention: vec![], ..sample::config() }
}

#[test]
fn the_beginning_is_announced() {
    let message = announcement(&sample::config(), &sample::context(Status::Running), State::Deploying);
    assert_eq!(
        shown(&message),
        [
            "text: 🚀 shop/backend 1.4.0 → production: deploying",
            "header: 🚀 shop/backend 1.4.0 → production: deploying",
            "section: *App* / shop",
            "section: *Environment* / <https://shop.example|production>",
            "section: *Version* / 1.4.0",
            "section: *Commit* / `9f2c1e7a`",
            "section: *Component* / backend",
            "section: *Branch or tag* / main",
            "section: *By* / ada",
            "section: *Live before* / 1.3.2 (41ab07cc)",
            "section: Release notes: *faster* search",
            "section: ▫️ `schema` has not run / ▫️ `healthy` has not run",
            "context: <https://ci.example/runs/7?a=1&amp;b=2|Log> · <https://shop.example|Open> · Run `01HRUN`",
        ]
    );
}

#[test]
fn a_rollback_says_what_failed_and_what_was_taken_back() {
    let message = announcement(&bare(), &sample::context(Status::RolledBack), State::RolledBack);
    let lines = shown(&message);
    assert_eq!(
        lines[0],
        "text: ↩️ shop/backend 1.4.0 → production: rolled back · *Step `healthy`*: \
         `GET https://shop.example/health` does not answer as it must"
    );
    assert_eq!(lines[1], "header: ↩️ shop/backend 1.4.0 → production: rolled back");
    assert!(lines.contains(&"section: ↩️ `schema` was taken back / ❌ `healthy` failed".to_owned()), "{lines:#?}");
}

#[test]
fn every_state_has_words_of_its_own() {
    for (status, words, failure) in [
        (Status::Running, "deploying", false),
        (Status::Succeeded, "succeeded", false),
        (Status::Failed, "failed", true),
        (Status::RolledBack, "rolled back", true),
        (Status::RollbackFailed, "rollback failed", true),
        (Status::Cancelled, "cancelled", false),
    ] {
        let state = State::from(status);
        assert!(announcement(&bare(), &sample::context(status), state).text.contains(words), "{words}");
        assert_eq!(state.is_failure(), failure, "{words}");
    }
}

#[test]
fn the_thread_mentions_and_explains() {
    let message = details(&sample::config(), &sample::context(Status::RollbackFailed), State::RollbackFailed);
    assert_eq!(
        shown(&message),
        [
            "text: *Step `healthy`*: `GET https://shop.example/health` does not answer as it must",
            "section: <@U0123456789> @oncall <!here>",
            "section: *Step `healthy`*: `GET https://shop.example/health` does not answer as it must",
            "section: *A person is needed*, for: `schema`",
            "context: <https://ci.example/runs/7?a=1&amp;b=2|Log> · <https://shop.example|Open> · Run `01HRUN`",
        ]
    );
    let message = details(&sample::config(), &sample::context(Status::RolledBack), State::RolledBack);
    assert!(shown(&message).contains(&"section: Taken back: `schema` / Live is `1.3.2` (`41ab07cc`)".to_owned()));
}

#[test]
fn nothing_in_a_value_is_markup_or_mentions_anybody() {
    for status in sample::STATUSES {
        let context = sample::hostile(status);
        let mut config = sample::config();
        config.title = Some("<!channel> @here".into());
        config.text = Some("<!channel> *bold*".into());
        for message in [announcement(&config, &context, status.into()), details(&config, &context, status.into())] {
            for block in message.blocks.iter().filter(|block| *block != &mentions(&config).expect("mentions")) {
                for part in
                    block["fields"].as_array().or(block["elements"].as_array()).unwrap_or(&vec![block["text"].clone()])
                {
                    let text = part["text"].as_str().expect("a text");
                    if part["type"] == "mrkdwn" {
                        assert!(!text.contains("<!") && !text.contains("<https://evil"), "{text}");
                        assert_eq!(part["verbatim"], true, "{text}");
                    }
                }
            }
            assert!(!message.text.contains("<!"));
            let body = message.body_with_mentions();
            assert!(!body["text"].as_str().expect("a text").contains("@here"));
        }
    }
}

#[test]
fn long_values_stay_within_slacks_limits() {
    for status in sample::STATUSES {
        let context = sample::hostile(status);
        for message in [
            announcement(&sample::config(), &context, status.into()),
            details(&sample::config(), &context, status.into()),
        ] {
            assert!(message.blocks.len() <= 50);
            assert!(message.text.chars().count() <= 4_000, "{}", message.text.chars().count());
            for block in &message.blocks {
                let limit = if block["type"] == "header" { HEADER } else { SECTION };
                for part in
                    block["fields"].as_array().or(block["elements"].as_array()).unwrap_or(&vec![block["text"].clone()])
                {
                    let length = part["text"].as_str().expect("a text").chars().count();
                    assert!(length > 0 && length <= limit, "{length}");
                }
                assert!(block["fields"].as_array().is_none_or(|fields| fields.len() <= 10));
            }
        }
    }
}

#[test]
fn many_steps_are_counted_where_they_do_not_fit() {
    let context = sample::hostile(Status::Failed);
    let text = steps(&context.steps);
    assert!(text.chars().count() <= SECTION);
    let shown = text.lines().count() - 1;
    assert!(text.ends_with(&format!("… and {} more", 300 - shown)), "{text}");
    let few = steps(&sample::context(Status::Succeeded).steps);
    assert_eq!(few, "✅ `schema` succeeded\n✅ `healthy` succeeded");
}

#[test]
fn escaping_never_cuts_an_entity() {
    assert_eq!(escape("a<b>&c", 100), "a&lt;b&gt;&amp;c");
    for limit in 2..12 {
        let text = escape("a<b>&c", limit);
        assert!(text.chars().count() <= limit, "{limit}: {text}");
        assert!(["", "a", "a&lt;", "a&lt;b", "a&lt;b&gt;"].iter().any(|whole| text == format!("{whole}…")), "{text}");
    }
}

#[test]
fn people_are_mentioned_as_slack_wants_it() {
    for (name, written) in [
        ("U0123456789", Some("<@U0123456789>")),
        ("@W0123456789", Some("<@W0123456789>")),
        ("S0123456789", Some("<!subteam^S0123456789>")),
        ("@here", Some("<!here>")),
        ("channel", Some("<!channel>")),
        ("@on-call", Some("@on-call")),
        ("somebody", None),
        ("@", None),
        ("", None),
        ("@a b", None),
        ("<!channel>", None),
    ] {
        assert_eq!(mention(name).as_deref(), written, "{name}");
    }
}

#[test]
fn links_are_only_made_of_links() {
    assert_eq!(hyperlink("https://a.example/?a|b>", "x|y").as_deref(), Some("<https://a.example/?a%7Cb%3E|x/y>"));
    assert_eq!(hyperlink("javascript:alert(1)", "x"), None);
    assert_eq!(hyperlink("https://a.example/a b", "x"), None);
    assert_eq!(hyperlink(&format!("https://a.example/{}", "&".repeat(300)), "x"), None);
}

#[test]
fn a_log_gets_the_same_in_words() {
    assert_eq!(
        plain(&bare(), &sample::context(Status::Failed), State::Failed),
        "❌ shop/backend 1.4.0 → production: failed\n  App: shop\n  Environment: production (https://shop.example)\n  \
         Version: 1.4.0\n  Commit: 9f2c1e7a\n  Component: backend\n  Branch or tag: main\n  By: ada\n  \
         Live before: 1.3.2 (41ab07cc)\n  failing step: healthy\n  \
         `GET https://shop.example/health` does not answer as it must\n  ✅ schema: succeeded\n  ❌ healthy: failed\n  \
         log: https://ci.example/runs/7?a=1&b=2"
    );
}
