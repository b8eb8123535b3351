//! Lists, which forges hand out in pages.

use super::answer::Failure;
use super::client::Effort;
use serde::de::DeserializeOwned;

/// The most that a forge lists at once, either of them.
pub(super) const PAGE: usize = 100;

/// How many pages are read of what may go on without end.
const PAGES: usize = 10;

/// A list, read a page at a time for as long as somebody asks for the next.
#[derive(Debug)]
pub(super) struct Pages {
    route: String,
    /// The page that was read last; 0 before the first.
    read: usize,
    /// The last one that is read.
    last: usize,
}

impl Pages {
    /// All that is listed there.
    pub(super) fn all(route: impl Into<String>) -> Self {
        Self { route: route.into(), read: 0, last: usize::MAX }
    }

    /// The first thousand of what is listed there: what is looked for is among them.
    pub(super) fn first(route: impl Into<String>) -> Self {
        Self { last: PAGES, ..Self::all(route) }
    }

    /// The next page; none behind the last.
    pub(super) async fn next<T: DeserializeOwned>(
        &mut self,
        effort: &mut Effort<'_>,
    ) -> Result<Option<Vec<T>>, Failure> {
        self.next_in(effort, |page: Vec<T>| page).await
    }

    /// As [`Pages::next`], where a page is an object with the list in it.
    pub(super) async fn next_in<T, P: DeserializeOwned>(
        &mut self,
        effort: &mut Effort<'_>,
        list: impl FnOnce(P) -> Vec<T>,
    ) -> Result<Option<Vec<T>>, Failure> {
        if self.read == self.last {
            return Ok(None);
        }
        let number = self.read + 1;
        let listed = list(effort.get(&format!("{}&page={number}", sized(&self.route, PAGE))).await?);
        self.read = number;
        if listed.len() < PAGE {
            self.last = number;
        }
        Ok(Some(listed))
    }

    /// What is on all pages.
    pub(super) async fn collect<T: DeserializeOwned>(self, effort: &mut Effort<'_>) -> Result<Vec<T>, Failure> {
        self.collect_in(effort, |page: Vec<T>| page).await
    }

    /// As [`Pages::collect`], where a page is an object with the list in it.
    pub(super) async fn collect_in<T, P: DeserializeOwned>(
        mut self,
        effort: &mut Effort<'_>,
        list: impl Fn(P) -> Vec<T>,
    ) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        while let Some(page) = self.next_in(effort, &list).await? {
            all.extend(page);
        }
        Ok(all)
    }
}

/// No more than `most` of a list, in one request.
pub(super) async fn some<T: DeserializeOwned>(
    effort: &mut Effort<'_>,
    route: &str,
    most: usize,
) -> Result<Vec<T>, Failure> {
    effort.get(&sized(route, most)).await
}

fn sized(route: &str, most: usize) -> String {
    let link = if route.contains('?') { '&' } else { '?' };
    format!("{route}{link}per_page={most}")
}
