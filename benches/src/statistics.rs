//! What a row of numbers says: its middle and how far it is spread. Pure.

/// Several measurements of one thing, summed up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    /// The smallest.
    pub(crate) least: f64,
    /// A quarter is below.
    pub(crate) lower: f64,
    /// Half is below.
    pub(crate) median: f64,
    /// Three quarters are below.
    pub(crate) upper: f64,
    /// How many there are.
    pub(crate) count: usize,
}

impl Summary {
    /// Sums up; none where there is nothing.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let least = *values.first()?;
        Some(Self {
            least,
            lower: quantile(&values, 0.25),
            median: quantile(&values, 0.5),
            upper: quantile(&values, 0.75),
            count: values.len(),
        })
    }
}

/// The value below which that part of the sorted values is, between two of them in proportion.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_middle() {
        assert_eq!(Summary::of([]), None);
    }

    #[test]
    fn the_middle_is_found_whatever_the_order() {
        let summary = Summary::of([5.0, 1.0, 4.0, 2.0, 3.0]).expect("a summary");
        assert_eq!(summary, Summary { least: 1.0, lower: 2.0, median: 3.0, upper: 4.0, count: 5 });
    }

    #[test]
    fn between_two_values_is_in_proportion() {
        let summary = Summary::of([1.0, 2.0, 3.0, 4.0]).expect("a summary");
        assert_eq!((summary.lower, summary.median, summary.upper), (1.75, 2.5, 3.25));
    }

    #[test]
    fn one_outlier_does_not_move_the_middle() {
        let summary = Summary::of([1.0, 1.0, 1.0, 1.0, 900.0]).expect("a summary");
        assert_eq!((summary.median, summary.upper), (1.0, 1.0));
    }
}
