//! The texts below are what the tools said, with paths shortened: cargo 1.95.0, npm 11.19.1, pnpm 10.34.9 and 12.21.0,
//! yarn 1.22.22 and 4.18.1, bun 1.4.5, pip 23.2.1, uv 0.13.8, poetry 2.5.1, go 1.19.8, bundler 2.3.15, composer 2.5.5.

use super::{MOST_LINES, Trouble, classify, last_words};
use crate::manager::Manager;

fn drift(manager: Manager, text: &str, expected: &[&str]) {
    let expected = expected.iter().map(|line| (*line).to_string()).collect();
    assert_eq!(classify(manager, text), Some(Trouble::Drift(expected)), "{manager:?}");
}

#[test]
fn npm_names_what_is_missing_and_what_is_invalid() {
    let text = "npm error code EUSAGE\nnpm error\nnpm error `npm ci` can only install packages when your package.json \
        and package-lock.json or npm-shrinkwrap.json are in sync. Please update your lock file with `npm install` before \
        continuing.\nnpm error\nnpm error Invalid: lock file's isarray@2.0.5 does not satisfy isarray@1.0.0\n\
        npm error Missing: left-pad@1.3.0 from lock file\nnpm error Missing: left-pad@1.3.0 from lock file\nnpm error\n\
        npm error Clean install a project\nnpm error\nnpm error Usage:\nnpm error npm ci\n";
    drift(
        Manager::Npm,
        text,
        &[
            "npm error Invalid: lock file's isarray@2.0.5 does not satisfy isarray@1.0.0",
            "npm error Missing: left-pad@1.3.0 from lock file",
        ],
    );
}

#[test]
fn cargo_says_that_it_must_not_update_the_lockfile() {
    let now = "    Updating the index\nerror: cannot update the lock file /app/Cargo.lock because --locked was \
        passed to prevent this\nhelp: to generate the lock file without accessing the network, remove the --locked flag \
        and use --offline instead.\n";
    drift(
        Manager::Cargo,
        now,
        &["error: cannot update the lock file /app/Cargo.lock because --locked was passed to prevent this"],
    );
    let before = "error: the lock file /app/Cargo.lock needs to be updated but --locked was passed to prevent this\n";
    drift(Manager::Cargo, before, &[before.trim()]);
}

#[test]
fn pnpm_lists_the_specifiers() {
    let ten = " ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with \"frozen-lockfile\" because pnpm-lock.yaml is not up to \
        date with <ROOT>/package.json\n\nNote that in CI environments this setting is true by default. If you still \
        need to run install in such cases, use \"pnpm install --no-frozen-lockfile\"\n\n  Failure reason:\n  specifiers \
        in the lockfile don't match specifiers in package.json:\n* 1 dependencies were added: farewell@file:farewell\n";
    drift(Manager::Pnpm, ten, &["* 1 dependencies were added: farewell@file:farewell"]);
    let twelve = "Error: ERR_PNPM_OUTDATED_LOCKFILE\n\n  × installing dependencies\n  ╰─▶ Cannot install with \
        \"frozen-lockfile\" because pnpm-lock.yaml is not up\n      to date with package.json.\n\n        Failure \
        reason:\n        specifiers in the lockfile don't match specifiers in package.json:\n      * in \
        importers[\".\"]:\n      * 1 dependency was added: left-pad@^1\n      * 1 dependency is mismatched:\n        - \
        isarray (lockfile: ^2, manifest: ^1)\n  help: Regenerate the lockfile with `pnpm install --lockfile-only`\n";
    drift(
        Manager::Pnpm,
        twelve,
        &[
            "* in importers[\".\"]:",
            "* 1 dependency was added: left-pad@^1",
            "* 1 dependency is mismatched:",
            "- isarray (lockfile: ^2, manifest: ^1)",
        ],
    );
}

#[test]
fn both_yarns() {
    drift(
        Manager::Yarn,
        "yarn install v1.22.22\n[1/4] Resolving packages...\nerror Your lockfile needs to be updated, but yarn was run \
         with `--frozen-lockfile`.\ninfo Visit the page for documentation.\n",
        &["error Your lockfile needs to be updated, but yarn was run with `--frozen-lockfile`."],
    );
    drift(
        Manager::Yarn,
        "error Lockfile does not contain pattern: \"farewell@file:farewell\"\nerror Found 1 errors.\n",
        &["error Lockfile does not contain pattern: \"farewell@file:farewell\""],
    );
    drift(
        Manager::YarnBerry,
        "➤ YN0000: ┌ Post-resolution validation\n➤ YN0000: │ @@ -4,12 +4,19 @@\n\
         ➤ YN0028: │ +\"farewell@file:farewell::locator=fixture%40workspace%3A.\":\n➤ YN0028: │ +\n\
         ➤ YN0000: │    dependencies:\n➤ YN0028: │ +    farewell: \"file:farewell\"\n\
         ➤ YN0028: │ The lockfile would have been modified by this install, which is explicitly forbidden.\n",
        &[
            "➤ YN0028: │ +\"farewell@file:farewell::locator=fixture%40workspace%3A.\":",
            "➤ YN0028: │ +    farewell: \"file:farewell\"",
        ],
    );
}

#[test]
fn bun_names_what_was_added() {
    drift(
        Manager::Bun,
        "error: lockfile had changes, but lockfile is frozen\nnote: dependencies in package.json changed since bun.lock \
         was saved: farewell was added\nnote: try re-running without --frozen-lockfile and commit the updated lockfile\n",
        &["note: dependencies in package.json changed since bun.lock was saved: farewell was added"],
    );
}

#[test]
fn pip_names_what_has_no_hash_and_what_is_not_listed() {
    let missing = "ERROR: Hashes are required in --require-hashes mode, but they are missing from some requirements. Here \
        is a list of those requirements along with the hashes their downloaded archives actually had.";
    let text = format!("Processing ./wheels/greeting.whl\n{missing}\n    farewell==1.0.0 --hash=sha256:e7d3ad\n");
    drift(Manager::Pip, &text, &[missing, "farewell==1.0.0 --hash=sha256:e7d3ad"]);
    let unpinned =
        "ERROR: In --require-hashes mode, all requirements must have their versions pinned with ==. These do not:";
    let text = format!("{unpinned}\n    charset-normalizer<4,>=2 from https://example.test/c.whl (from requests)\n");
    drift(Manager::Pip, &text, &[unpinned, "charset-normalizer<4,>=2 from https://example.test/c.whl (from requests)"]);
}

#[test]
fn uv_and_poetry_name_the_file_only() {
    for option in ["locked", "check"] {
        let line = format!("error: The lockfile at `uv.lock` needs to be updated, but `--{option}` was provided.");
        drift(Manager::Uv, &format!("Resolved 3 packages in 6ms\n{line}\n\nhint: To update the lockfile"), &[&line]);
    }
    let line = "Error: pyproject.toml changed significantly since poetry.lock was last generated. Run `poetry lock` to \
        fix the lock file.";
    drift(Manager::Poetry, line, &[line]);
}

#[test]
fn go_names_the_module() {
    drift(
        Manager::Go,
        "go: module lookup disabled by GOPROXY=off\ngo: example.test/farewell@v1.0.0: missing go.sum entry; to add \
         it:\n\tgo mod download example.test/farewell\n",
        &["go: example.test/farewell@v1.0.0: missing go.sum entry; to add it:"],
    );
}

#[test]
fn bundler_lists_what_was_added_and_deleted() {
    drift(
        Manager::Bundler,
        "You are trying to install in deployment mode after changing\nyour Gemfile. Run `bundle install` elsewhere and \
         add the\nupdated Gemfile.lock to version control.\n\nThe dependencies in your gemfile changed\n\nYou have added \
         to the Gemfile:\n* rainbow (< 3)\n\nYou have deleted from the Gemfile:\n* rainbow\n",
        &["You have added to the Gemfile:", "* rainbow (< 3)", "You have deleted from the Gemfile:", "* rainbow"],
    );
    drift(
        Manager::Bundler,
        "Cannot write a changed lockfile while frozen.\nThe Gemfile's dependencies are satisfied\n",
        &["Cannot write a changed lockfile while frozen."],
    );
}

#[test]
fn composer_names_the_package_where_it_can() {
    let outdated = "- The lock file is not up to date with the latest changes in composer.json, it is recommended that \
        you run `composer update` or `composer update <package name>`.";
    let head = "./composer.json is valid but your composer.lock has some errors\n# Lock file errors\n";
    drift(Manager::Composer, &format!("{head}{outdated}\n"), &[outdated]);
    let missing = "- Required package \"fixture/farewell\" is not present in the lock file.";
    drift(Manager::Composer, &format!("{head}{outdated}\n{missing}\nThis usually happens when"), &[missing]);
}

#[test]
fn a_package_that_is_not_what_was_locked_is_not_drift() {
    let cases = [
        (
            Manager::Pip,
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package \
             versions, please update the hashes.\n    greeting==1.0.0 from file:///w/greeting-1.0.0-py3-none-any.whl:\n    \
             \x20   Expected sha256 0000\n             Got        7b9d\n",
            4,
        ),
        (
            Manager::Go,
            "verifying example.test/greeting@v1.0.0/go.mod: checksum mismatch\n\tdownloaded: h1:Q7=\n\tgo.sum:     \
             h1:07=\n\nSECURITY ERROR\n",
            3,
        ),
        (Manager::Go, "example.test/greeting v1.0.0: dir has been modified (/go/pkg/mod/greeting)\n", 1),
    ];
    for (manager, text, lines) in cases {
        match classify(manager, text) {
            Some(Trouble::Integrity(found)) => assert_eq!(found.len(), lines, "{found:?}"),
            other => panic!("{manager:?}: {other:?}"),
        }
    }
}

#[test]
fn each_tool_says_in_its_own_way_that_nobody_answered() {
    let cases = [
        (Manager::Cargo, "  [7] Could not connect to server (Failed to connect to 127.0.0.1 port 9 after 0 ms)"),
        (Manager::Cargo, "As a reminder, you're using offline mode (--offline) which can sometimes cause failures"),
        (Manager::Npm, "npm error code ECONNREFUSED"),
        (Manager::Npm, "npm error request to https://r.test/ms failed: cache mode is 'only-if-cached' ENOTCACHED"),
        (Manager::Pnpm, "Error: ERR_PNPM_NO_OFFLINE_TARBALL"),
        (Manager::Yarn, "error Error: connect ECONNREFUSED 127.0.0.1:9"),
        (Manager::Yarn, "error Can't make a request in offline mode (\"https://r.test/ms-2.1.3.tgz\")"),
        (
            Manager::YarnBerry,
            "➤ YN0080: │ ms@npm:2.1.3: Request to 'https://r.test/ms.tgz' has been blocked because of your configuration \
             settings",
        ),
        (Manager::YarnBerry, "➤ YN0001: │ RequestError: connect ECONNREFUSED 127.0.0.1:9"),
        (Manager::Bun, "error: ConnectionRefused downloading tarball ms@2.1.3"),
        (Manager::Pip, "Failed to establish a new connection: [Errno 111] Connection refused')': /requests/"),
        (Manager::Uv, "  cause: Connection refused (os error 111)"),
        (Manager::Uv, "  cause: Network connectivity is disabled, but the requested data wasn't found in the cache"),
        (Manager::Poetry, "All attempts to connect to registry.test failed."),
        (Manager::Go, "go: a@v1: Get \"http://127.0.0.1:9/a\": dial tcp 127.0.0.1:9: connect: connection refused"),
        (Manager::Go, "go: a.b/c@v1.3.0: module lookup disabled by GOPROXY=off"),
        (Manager::Bundler, "Could not fetch specs from https://127.0.0.1:9/ due to underlying error"),
        (Manager::Bundler, "Could not reach host index.registry.test. Check your network connection and try"),
        (Manager::Composer, "  The \"https://r.test/packages.json\" file could not be downloaded"),
    ];
    for (manager, text) in cases {
        let expected = Some(Trouble::Unreachable(vec![text.trim().into()]));
        assert_eq!(classify(manager, &format!("something\n{text}\nelse\n")), expected, "{manager:?}");
    }
}

#[test]
fn what_is_not_known_is_not_guessed() {
    let text =
        "npm error code ELIFECYCLE\nnpm error errno 1\n\u{1b}[31mnpm error\u{1b}[39m postinstall: `node build`\n";
    for manager in Manager::ALL {
        assert_eq!(classify(manager, text), None, "{manager:?}");
    }
    assert_eq!(last_words(text)[2], "npm error postinstall: `node build`");
}

#[test]
fn long_lists_are_cut_and_say_so() {
    let text: String = (0..50).map(|n| format!("npm error Missing: p{n}@1.0.0 from lock file\n")).collect();
    let Some(Trouble::Drift(lines)) = classify(Manager::Npm, &text) else { panic!("no drift was seen") };
    assert_eq!(lines.len(), MOST_LINES + 1);
    assert_eq!(lines[MOST_LINES], "and 30 more");
}
