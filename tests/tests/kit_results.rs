//! How `windlass plugin test` shows what came of cases.

use e2e::Project;

fn project(cases: &str) -> Project {
    Project::new().guest("probe").file("cases.toml", cases)
}

#[test]
fn results_are_json_and_junit_too() {
    let project =
        project("[[case]]\nname = \"a <b>\"\n[[case]]\nname = \"c\"\nexpect.apply.outcome = \"\\u001b[31m&\\uffff\"\n");
    let output = project.windlass("plugin test ./probe.wasm --format json --junit out.xml").exits(13);
    let mut result = output.result();
    for case in result["cases"].as_array_mut().expect("cases") {
        assert!(case["duration-ms"].take().is_u64());
    }
    assert_eq!(result["sha256"].take().as_str().map(str::len), Some(64));
    assert_eq!(
        result,
        serde_json::json!({
            "schema": "windlass.cases/1", "plugin": "probe@1.2.3", "sha256": null, "passed": 1, "failed": 1,
            "cases": [
                { "name": "a <b>", "passed": true, "duration-ms": null, "differences": [], "log": [] },
                { "name": "c", "passed": false, "duration-ms": null, "differences": [{
                    "what": "the outcome of `apply` is not as expected",
                    "lines": [{ "expected": "\u{1b}[31m&\u{ffff}" }, { "came": "did what it was told" }],
                }], "log": [] },
            ],
        })
    );
    let xml = project.read("out.xml");
    for words in [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites><testsuite name=\"probe@1.2.3\" id=\"0\"",
        " tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\" ",
        "<testcase name=\"a &lt;b&gt;\" classname=\"probe\" ",
        "<failure type=\"cases-failed\" message=\"the outcome of `apply` is not as expected\">",
        "  - \u{fffd}[31m&amp;\u{fffd}\n  + did what it was told\n</failure>",
    ] {
        assert!(xml.contains(words), "{words}: {xml}");
    }
    // Where that cannot be written, the results are shown all the same.
    let output = project.windlass("plugin test ./probe.wasm --junit none/out.xml").exits(13);
    assert!(output.raw_stdout.contains("2 cases of probe@1.2.3: 1 ok, 1 failed"), "{}", output.all());
    assert!(output.stderr.starts_with("error: 1 of 2 cases of plugin `probe@1.2.3` failed\n"), "{}", output.stderr);
    assert!(output.stderr.contains("\nerror: `none/out.xml` cannot be written\n"), "{}", output.stderr);
    let output = project.windlass("plugin test ./probe.wasm <b> --junit none/out.xml").exits(2);
    assert!(output.raw_stdout.contains("1 case of probe@1.2.3: 1 ok, 0 failed"), "{}", output.all());
    assert!(output.stderr.starts_with("error: `none/out.xml` cannot be written\n"), "{}", output.stderr);
}

/// What a plugin logs is what its author looks at when a case fails: the last of it, and all of it where he asks for that.
#[test]
fn what_was_logged_stands_below_a_case_that_failed() {
    let prints = "{ do = \"log-flood\", lines = 30, bytes = 8 }";
    let cases = format!(
        "[[case]]\nname = \"passes\"\nconfig = {{ apply = [{prints}] }}\n\n\
         [[case]]\nname = \"fails\"\nconfig = {{ apply = [{prints}] }}\nexpect.apply.outcome = \"another\"\n"
    );
    let project = project(&cases);
    let logs = |command: &str| {
        let output = project.windlass(command).exits(13);
        output
            .raw_stdout
            .lines()
            .filter(|line| line.starts_with("        log: "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let failed = logs("plugin test ./probe.wasm");
    assert_eq!((failed.len(), failed[0].contains("lines more")), (21, true), "{failed:#?}");
    let all = logs("plugin test ./probe.wasm --log debug");
    assert!(all.len() >= 60 && all.iter().all(|line| !line.contains("lines more")), "{all:#?}");
}
