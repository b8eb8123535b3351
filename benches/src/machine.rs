//! What the numbers were measured on: a number without its machine says little.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

fn first_line_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// The value of the first line `KEY : VALUE` of a file of the kernel's.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.split_once(':').filter(|(name, _)| name.trim() == key))
        .map(|(_, value)| value.trim())
}

/// The machine and the programs that were compared, one line each.
pub(crate) fn description(directory: &Path) -> Vec<String> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (processor, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let gib =
        value_of(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok()).unwrap_or_default()
            >> 20;
    let load = read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ");
    let mut lines = vec![
        format!(
            "{cores} cores, {}, {gib} GiB of memory",
            value_of(&processor, "model name").unwrap_or("an unknown processor")
        ),
        format!("load average at the start (other work on the same cores): {load}"),
    ];
    let programs: [(&str, &[&str]); 4] =
        [("uname", &["-sr"]), ("rustc", &["--version"]), ("node", &["--version"]), ("cat", &["--version"])];
    for (program, arguments) in programs {
        if let Some(line) = first_line_of(program, arguments) {
            lines.push(format!("{program}: {line}"));
        }
    }
    lines.extend(
        first_line_of("stat", &["--file-system", "--format=%T", &directory.to_string_lossy()])
            .map(|kind| format!("file system: {kind}")),
    );
    if let Ok(milliseconds) = sync(directory) {
        lines.push(format!("appending a line to a file and syncing it: {milliseconds:.3} ms"));
    }
    lines
}

/// The median of appending a line of a journal's size and syncing it, in milliseconds.
fn sync(directory: &Path) -> std::io::Result<f64> {
    let path = directory.join("sync");
    let mut times = Vec::new();
    let mut last = Instant::now();
    crate::journal::append(&path, 200, || {
        times.push(std::mem::replace(&mut last, Instant::now()).elapsed().as_secs_f64() * 1e3)
    })?;
    std::fs::remove_file(path)?;
    Ok(crate::statistics::Summary::of(times).map_or(0.0, |summary| summary.median))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_key_is_found() {
        let text = "processor\t: 0\nmodel name\t: A: fast one\nmodel name\t: another\n";
        assert_eq!(value_of(text, "model name"), Some("A: fast one"));
        assert_eq!(value_of(text, "cores"), None);
    }
}
