//! Lists come in pages, with headers that say which other ones there are ("Offset-based pagination").

use super::Operation;
use crate::server::Answer;
use serde_json::Value;
use std::collections::BTreeMap;
use url::form_urlencoded::Serializer;

/// Of lists that are longer, GitLab does not say how long they are.
const COUNTED: usize = 10_000;

/// The page that was asked for, of an answer with the whole list.
pub(super) fn paged(operation: &Operation, path: &str, query: &BTreeMap<String, String>, answer: Answer) -> Answer {
    let (status, bytes) = answer.parts();
    let is_list = operation.query.iter().any(|name| name == "per_page");
    let Some(Value::Array(items)) =
        Some(bytes).filter(|_| is_list).and_then(|bytes| serde_json::from_slice(bytes).ok())
    else {
        return answer;
    };
    let number = |name: &str, otherwise: usize| query.get(name).and_then(|it| it.parse().ok()).unwrap_or(otherwise);
    let (page, size) = (number("page", 1).max(1), number("per_page", 20).max(1));
    let (total, last) = (items.len(), items.len().div_ceil(size).max(1));
    let listed: Vec<Value> = items.into_iter().skip((page - 1) * size).take(size).collect();
    let before = Some(page - 1).filter(|before| (1..=last).contains(before));
    let next = Some(page + 1).filter(|next| *next <= last);
    let link = |page: usize, relation: &str| {
        let others = query.iter().filter(|(name, _)| *name != "page");
        let query = Serializer::new(String::new()).extend_pairs(others).append_pair("page", &page.to_string()).finish();
        format!("<https://gitlab.example{}?{query}>; rel=\"{relation}\"", path.split('?').next().unwrap_or_default())
    };
    let mut links: Vec<String> = before.map(|page| link(page, "prev")).into_iter().collect();
    links.extend(next.map(|page| link(page, "next")));
    links.push(link(1, "first"));
    let text = |page: Option<usize>| page.map(|page| page.to_string()).unwrap_or_default();
    let mut answer = Answer::new(status, Value::from(listed).to_string())
        .header("content-type", "application/json")
        .header("x-page", &page.to_string())
        .header("x-per-page", &size.to_string())
        .header("x-prev-page", &text(before))
        .header("x-next-page", &text(next));
    if total <= COUNTED {
        links.push(link(last, "last"));
        answer = answer.header("x-total", &total.to_string()).header("x-total-pages", &last.to_string());
    }
    answer.header("link", &links.join(", "))
}
