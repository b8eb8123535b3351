//! Case files that are wrong.

use super::project;

/// A file, and what is said of it.
const WRONG: &[(&str, &str)] = &[
    ("", "error: `cases.toml` has no `case`"),
    ("case = []", "error: there is no case\n --> cases.toml:1:8\n"),
    ("[[case]]\nname = a", "error: `cases.toml` is not valid TOML\n --> cases.toml:2:8\n"),
    ("[[case]]\nnmae = \"a\"", "error: case 1 has no key `nmae`\n --> cases.toml:2:1\n"),
    ("[[case]]\nname = \"a\"\ncal = []", "error: case `a` has no key `cal`\n --> cases.toml:3:1\n"),
    ("[[case]]\nname = \"a\"\n[case.expect.plan]\nintent = []", "hint: write `intents`\n"),
    ("[[case]]\nname = \"a\"\n[[case.http]]\nurl = \"https://a/\"\nanswer = { staus = 1 }", "hint: write `status`\n"),
    (
        "[[case]]\nname = \"a\"\ncall = [\"aply\"]",
        "error: `call[0]` of case `a` cannot be `aply`\n --> cases.toml:3:9\n",
    ),
    ("[[case]]\nname = \"a\"\ncall = [\"plan\", \"plan\"]", "error: `plan` is called twice\n"),
    ("[[case]]\nname = \"\"", "error: a case's name is one line\n --> cases.toml:2:8\n"),
    ("[[case]]\nname = \"a\"\n[[case]]\nname = \"a\"", "error: there are two cases `a`\n --> cases.toml:4:8\n"),
    ("[[case]]\nname = \"a\"\nfiles = { \"../a\" = \"\" }", "error: `../a` is no file of the project\n"),
    // Relative to a directory of that drive of Windows, wherever that is.
    ("[[case]]\nname = \"a\"\nfiles = { \"C:a\" = \"\" }", "error: `C:a` is no file of the project\n"),
    ("[[case]]\nname = \"a\"\nfiles = { \"a\" = { form = \"b\" } }", "hint: write `from`\n"),
    (
        "[[case]]\nname = \"a\"\ntimeout = \"1 s\"",
        "error: `timeout` of case `a` cannot be `1 s`\n --> cases.toml:3:11\n",
    ),
    (
        "[[case]]\nname = \"a\"\ngranted = [{ kind = \"htp\", phases = [\"apply\"] }]",
        "error: this is no line that `deploy.lock` could have\n --> cases.toml:3:12\n",
    ),
    (
        "[[case]]\nname = \"a\"\n[[case.http]]\nurl = \"/a\"",
        "error: `/a` is no URL that can be asked for\n --> cases.toml:4:7\n",
    ),
    (
        "[[case]]\nname = \"a\"\n[[case.http]]\nmethod = \"get\"\nurl = \"https://a/\"",
        "error: a method is in upper case\n",
    ),
    (
        "[[case]]\nname = \"a\"\n[[case.http]]\nurl = \"https://a/\"\nbody = \"\"\njson = 1",
        "error: there are both `body` and `json`\n --> cases.toml:6:8\n",
    ),
    (
        "[[case]]\nname = \"a\"\n[[case.http]]\nurl = \"https://a/\"\nanswer.status = 100",
        "error: `100` is no final status\n",
    ),
    (
        "[[case]]\nname = \"a\"\n[case.expect.plan]\noutcome = \"x\"",
        "error: `plan` has no `outcome`\n --> cases.toml:4:11\n",
    ),
    ("[[case]]\nname = \"a\"\n[case.expect.revert]\noutcome = \"x\"", "error: `revert` is not called in this case\n"),
    (
        "[[case]]\nname = \"a\"\n[case.expect.apply]\ntrap = \"x\"\ntimed-out = true",
        "error: `apply` ends in two ways\n",
    ),
];

#[test]
fn each_mistake_in_a_case_file_is_named_with_its_place() {
    let project = project("");
    let mut wrong = String::new();
    for (text, words) in WRONG {
        project.write("cases.toml", text);
        let output = project.windlass("plugin test ./probe.wasm");
        if output.code != Some(2) || !output.stderr.contains(words) || !output.stderr.contains("note: nothing was run")
        {
            wrong.push_str(&format!("--- {text}\n--- wanted {words}\n{}\n", output.all()));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let output = project.windlass("plugin test ./probe.wasm --cases none.toml").exits(2);
    assert!(output.stderr.starts_with("error: the cases in `none.toml` cannot be read\n"), "{}", output.stderr);
    assert!(output.stderr.ends_with("hint: write one, or name another with `--cases FILE`\n"), "{}", output.stderr);
}
