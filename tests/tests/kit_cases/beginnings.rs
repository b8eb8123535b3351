//! What a case and its plugin begin with: what is missing, what is not seen, and what was meant.

use super::{play, project, timeless};

/// One word in a project is a plugin's name, and is most often meant as a case's.
#[test]
fn a_case_of_a_project_that_is_named_alone_is_told_how() {
    let manifest = "[plugin]\nname = \"probe\"\nlanguage = \"rust\"\ncomponent = \"probe.wasm\"\n";
    let project = project("[[case]]\nname = \"one\"\n").file("windlass-plugin.toml", manifest);
    let output = project.windlass("plugin test one --no-build").exits(2);
    assert!(output.stderr.starts_with("error: there is no built-in plugin `one`\n"), "{}", output.stderr);
    assert!(
        output
            .stderr
            .ends_with("hint: if it is the name of a case of this project: `windlass plugin test . \"one\"`\n"),
        "{}",
        output.stderr
    );
    let _ = project.windlass("plugin test . one --no-build").exits(0);
}

/// What a case begins with may be missing. The others are played all the same, and what came of them is told.
#[test]
fn a_case_that_cannot_begin_fails_alone() {
    let cases = r#"[[case]]
name = "good"

[[case]]
name = "without its file"
files = { b = "", "a/a" = { from = "none" } }

[[case]]
name = "without its database"
[[case.database]]
path = "a.db"
sql = "SELEKT"

[[case]]
name = "good, too"
"#;
    let project = project(cases);
    let output = project.windlass("plugin test ./probe.wasm --junit out.xml").exits(13);
    let told = timeless(&output.raw_stdout);
    let expected = "ok      good\nFAILED  without its file\n        it cannot begin: `none` cannot be read (line 6)\n          \
                    + No such file or directory (os error 2)\nFAILED  without its database\n        \
                    it cannot begin: `a.db` cannot be made with these statements (line 12)\n";
    assert!(told.starts_with(expected), "{told}");
    assert!(told.ends_with("ok      good, too\n4 cases of probe@1.2.3: 2 ok, 2 failed\n"), "{told}");
    assert!(project.read("out.xml").contains(" tests=\"4\" failures=\"2\" "), "{}", project.read("out.xml"));
    // The others are recorded, and these are left as they are.
    let _ = project.windlass("plugin test ./probe.wasm --record").exits(13);
    let recorded = project.read("cases.toml");
    assert_eq!(recorded.matches("[case.expect.apply]").count(), 2, "{recorded}");
}

/// No call of the host's is made for a file that no tree of the plugin's has, so that no denial can say what is missing.
#[test]
fn a_file_that_is_there_and_not_granted_is_explained() {
    let cases = r#"
[[case]]
name = "a"
files = { "site/a" = "a" }
config = { strict = true, apply = [{ do = "panic", text = "@site/a" }] }
"#;
    let output = play(cases).exits(13);
    assert!(output.raw_stdout.contains("(os error 44)"), "{}", output.raw_stdout);
    let hint = "+ hint: a plugin sees only what a `directory` capability covers: if the file is there, `requires` has to ask for it\n";
    assert!(output.raw_stdout.contains(hint), "{}", output.raw_stdout);
}
