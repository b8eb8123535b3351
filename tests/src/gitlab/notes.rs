//! Notes on merge requests.

use super::{Asked, State, answer};
use crate::server::Answer;
use serde_json::{Value, json};

impl State {
    /// The notes on a merge request.
    pub(super) fn talk(&mut self, asked: &Asked<'_>) -> Answer {
        let Some(notes) = self.notes.get_mut(&asked.number(3)) else {
            return Answer::new(404, r#"{"message":"404 Merge Request Not Found"}"#);
        };
        let text = asked.body["body"].as_str().unwrap_or_default().to_owned();
        let note = |place: usize, (author, text): &(String, String)| {
            let author = json!({ "id": 7, "username": author, "name": author, "state": "active" });
            json!({ "id": 301 + place, "type": null, "body": text, "author": author, "system": false })
        };
        match asked.name() {
            "list_notes" => {
                let mut all: Vec<Value> = notes.iter().enumerate().map(|(place, one)| note(place, one)).collect();
                if asked.query("sort").is_none_or(|sort| sort == "desc") {
                    all.reverse();
                }
                answer(200, &all.into())
            }
            "create_note" => {
                notes.push((asked.who.to_owned(), text));
                answer(201, &note(notes.len() - 1, &notes[notes.len() - 1]))
            }
            _ => {
                let place = asked.number(5).checked_sub(301).and_then(|place| usize::try_from(place).ok());
                let Some((place, one)) = place.and_then(|place| Some((place, notes.get_mut(place)?))) else {
                    return Answer::new(404, r#"{"message":"404 Note Not Found"}"#);
                };
                if one.0 != asked.who {
                    return Answer::new(403, r#"{"message":"403 Forbidden"}"#);
                }
                one.1 = text;
                answer(200, &note(place, one))
            }
        }
    }
}
