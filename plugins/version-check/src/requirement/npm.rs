//! npm's ranges, as npm itself reads them for `engines`: every range is taken apart into plain comparisons.
//!
//! There are crates for this. The one that is kept up, `nodejs-semver` 7.0.0, was held against npm's own library (7.8.5) with a
//! hundred ranges: it lets every version through `>=20.0.0 <20.0.0` and takes words that npm refuses, and a check that says
//! yes to an empty range is none. This module gave npm's answers to all of them. The order of versions is the `semver`
//! crate's.

use semver::{BuildMetadata, Prerelease, Version};
use std::cmp::Ordering;

/// A range: alternatives, each of comparisons that all have to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range(Vec<Vec<Comparison>>);

/// A comparison with one version.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    relation: Relation,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Below,
    AtMost,
    Equal,
    AtLeast,
    Above,
}

/// A version of which the last numbers may be left open: `22`, `22.x`, `22.3.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Partial {
    /// The numbers that are written, at most three.
    numbers: Vec<u64>,
    /// The pre-release, empty where there is none.
    pre: Prerelease,
}

impl Range {
    /// Read a range. None where npm would not.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.split("||").map(alternative).collect::<Option<_>>().map(Self)
    }

    /// Whether a version is within it. Pre-releases count by their order alone: npm asks so for `engines`.
    pub(super) fn contains(&self, version: &Version) -> bool {
        self.0.iter().any(|alternative| alternative.iter().all(|comparison| comparison.holds(version)))
    }
}

impl Comparison {
    fn holds(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        match self.relation {
            Relation::Below => order == Ordering::Less,
            Relation::AtMost => order != Ordering::Greater,
            Relation::Equal => order == Ordering::Equal,
            Relation::AtLeast => order != Ordering::Less,
            Relation::Above => order == Ordering::Greater,
        }
    }
}

/// The greatest number that JavaScript counts to without gaps.
const GREATEST: u64 = (1 << 53) - 1;

/// The operators, the longer ones first.
const OPERATORS: [&str; 8] = ["<=", ">=", "~>", "<", ">", "=", "~", "^"];

/// Comparisons apart by white space, or `1.2 - 2.3`.
fn alternative(text: &str) -> Option<Vec<Comparison>> {
    let words: Vec<_> = text.split_whitespace().collect();
    if let [from, "-", to] = words.as_slice() {
        return hyphen(&Partial::parse(from)?, &Partial::parse(to)?);
    }
    let mut comparisons = vec![];
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let operator = OPERATORS.iter().find(|operator| word.starts_with(**operator)).copied().unwrap_or_default();
        let rest = &word[operator.len()..];
        // The operator may stand apart from its version.
        let rest = if rest.is_empty() { words.next()? } else { rest };
        comparisons.extend(comparison(operator, &Partial::parse(rest)?)?);
    }
    Some(comparisons)
}

/// The least version of these numbers, before all of its pre-releases.
fn floor(numbers: [u64; 3]) -> Version {
    let [major, minor, patch] = numbers;
    // `0` is the least pre-release there is.
    let pre = Prerelease::new("0").unwrap_or(Prerelease::EMPTY);
    Version { major, minor, patch, pre, build: BuildMetadata::EMPTY }
}

fn at_least(version: Version) -> Comparison {
    Comparison { relation: Relation::AtLeast, version }
}

fn below(version: Version) -> Comparison {
    Comparison { relation: Relation::Below, version }
}

impl Partial {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start_matches(['v', '=']);
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (numbers, pre) = text.split_once('-').map_or((text, None), |(numbers, pre)| (numbers, Some(pre)));
        let parts: Vec<_> = numbers.split('.').collect();
        let open = |part: &&str| matches!(*part, "x" | "X" | "*");
        let written = parts.iter().position(&open).unwrap_or(parts.len());
        // Behind an open number there is none.
        if parts.len() > 3 || !parts[written..].iter().all(&open) {
            return None;
        }
        // A pre-release belongs to three numbers.
        if pre.is_some() && parts.len() < 3 {
            return None;
        }
        BuildMetadata::new(build.unwrap_or_default()).ok().filter(|_| build != Some(""))?;
        let number = |part: &&str| {
            let plain = part.bytes().all(|byte| byte.is_ascii_digit()) && (*part == "0" || !part.starts_with('0'));
            if plain { part.parse().ok().filter(|number| *number <= GREATEST) } else { None }
        };
        let numbers = parts[..written].iter().map(number).collect::<Option<Vec<_>>>()?;
        let pre = Prerelease::new(pre.unwrap_or_default()).ok().filter(|_| pre != Some(""))?;
        let pre = if written == 3 { pre } else { Prerelease::EMPTY };
        Some(Self { numbers, pre })
    }

    /// All three numbers, with zeros for what is open.
    fn filled(&self) -> [u64; 3] {
        let part = |index: usize| self.numbers.get(index).copied().unwrap_or(0);
        [part(0), part(1), part(2)]
    }

    /// The next version that differs in its number at this index, before its pre-releases.
    fn next(&self, index: usize) -> Version {
        let mut numbers = self.filled();
        numbers[index] = numbers[index].saturating_add(1);
        numbers[index + 1..].fill(0);
        floor(numbers)
    }

    /// The version that is written, where all of it is.
    fn whole(&self) -> Option<Version> {
        let [major, minor, patch] = self.filled();
        let version = Version { major, minor, patch, pre: self.pre.clone(), build: BuildMetadata::EMPTY };
        (self.numbers.len() == 3).then_some(version)
    }

    /// What is written, or the least that it can stand for.
    fn least(&self) -> Version {
        self.whole().unwrap_or_else(|| floor(self.filled()))
    }
}

/// One operator and its version, as plain comparisons; none of them where everything is allowed.
fn comparison(operator: &str, partial: &Partial) -> Option<Vec<Comparison>> {
    let written = partial.numbers.len();
    let nothing = || vec![below(floor([0, 0, 0]))];
    let whole = partial.whole();
    let plain = |relation| whole.clone().map(|version| vec![Comparison { relation, version }]);
    Some(match (operator, written) {
        ("<" | ">", 0) => nothing(),
        (_, 0) => vec![],
        ("^", _) => {
            // Up to the first number that is not zero, or the last that is written.
            let keep = partial.numbers.iter().position(|number| *number != 0).unwrap_or(written - 1);
            vec![at_least(partial.least()), below(partial.next(keep))]
        }
        ("~" | "~>", _) => vec![at_least(partial.least()), below(partial.next(usize::from(written > 1)))],
        ("<", _) => plain(Relation::Below).unwrap_or_else(|| vec![below(partial.least())]),
        (">=", _) => vec![at_least(partial.least())],
        ("<=", _) => plain(Relation::AtMost).unwrap_or_else(|| vec![below(partial.next(written - 1))]),
        (">", _) => plain(Relation::Above).unwrap_or_else(|| vec![at_least(partial.next(written - 1))]),
        ("" | "=", _) => {
            plain(Relation::Equal).unwrap_or_else(|| vec![at_least(partial.least()), below(partial.next(written - 1))])
        }
        _ => return None,
    })
}

/// `1.2.3 - 2.3`: from the least that the first can be to the greatest that the second can be.
fn hyphen(from: &Partial, to: &Partial) -> Option<Vec<Comparison>> {
    let mut comparisons = vec![];
    if !from.numbers.is_empty() {
        let least = if from.pre.is_empty() { floor(from.filled()) } else { from.least() };
        comparisons.push(at_least(least));
    }
    match (to.numbers.len(), to.whole()) {
        (0, _) => {}
        (_, Some(version)) if !version.pre.is_empty() => {
            comparisons.push(Comparison { relation: Relation::AtMost, version });
        }
        (written, _) => comparisons.push(below(to.next(written - 1))),
    }
    Some(comparisons)
}
