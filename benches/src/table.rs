//! Rows of text as a Markdown table whose columns line up. Pure.

/// A table: the first row is its head.
pub(crate) fn markdown(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (column, width) in widths.iter().enumerate() {
            let cell = row.get(column).map_or("", String::as_str);
            // What is compared stands to the left, numbers to the right.
            text += &if column == 0 { format!("| {cell:<width$} ") } else { format!("| {cell:>width$} ") };
        }
        text.push_str("|\n");
        if index == 0 {
            for (column, width) in widths.iter().enumerate() {
                text += &if column == 0 {
                    format!("| {} ", "-".repeat(*width))
                } else {
                    format!("| {}: ", "-".repeat(width - 1))
                };
            }
            text.push_str("|\n");
        }
    }
    text
}

/// Milliseconds, as exact as they are.
pub(crate) fn milliseconds(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = markdown(&[row(["what", "ms"]), row(["`true`", "0.51"]), row(["a", "1"])]);
        assert_eq!(text, "| what   |   ms |\n| ------ | ---: |\n| `true` | 0.51 |\n| a      |    1 |\n");
    }

    #[test]
    fn long_times_are_rounded_more() {
        assert_eq!([0.1234, 12.34, 1234.5].map(milliseconds), ["0.12", "12.3", "1234"]);
    }
}
