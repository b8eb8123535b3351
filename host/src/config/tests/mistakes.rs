//! One of each kind of mistake.

use super::{SMALL, shown};
use crate::config::{load, parse};

fn problems(text: &str) -> Vec<String> {
    shown(&parse("deploy.toml", text).err().unwrap_or_default())
}

#[test]
fn each_mistake_is_told_with_its_place_and_what_helps() {
    let mut wrong = String::new();
    for (text, expected) in WHOLE {
        check(text, expected, &mut wrong);
    }
    for (text, expected) in ADDED {
        check(&format!("{SMALL}{text}"), expected, &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn check(text: &str, expected: &[&str], wrong: &mut String) {
    let found = problems(text);
    let expected: Vec<_> = expected.iter().map(|line| format!("config-invalid {line}")).collect();
    if found != expected {
        wrong.push_str(&format!("\n--- {text}\n    found:    {found:#?}\n    expected: {expected:#?}\n"));
    }
}

/// Whole files.
const WHOLE: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "1:1 `deploy.toml` has no `schema` / add `schema`: the version of this format; there is only `1`",
            "1:1 `deploy.toml` has no `app` / add `app`: the app's name",
            "1:1 `deploy.toml` has no `environments` / add `environments`: where the app is deployed to",
            "1:1 `deploy.toml` has no `step` / add `step`: what is done, in order",
        ],
    ),
    (
        "schema = 1\napp = \"x\nb = 1",
        &[
            "2:9 `deploy.toml` is not valid TOML / invalid basic string, expected `\"` / mend the line; strings stand in quotes, tables in `[brackets]`",
        ],
    ),
    (
        "schema = 1\nschema = 1\n[a]\n[a]",
        &[
            "2:1 `schema` is written twice in the same table / duplicate key / remove one of the two",
            "4:2 `a` is written twice in the same table / duplicate key / remove one of the two",
        ],
    ),
    (
        "schema = 1\napp = \"shop\"\n[environments.a]\nfreeze = [\n{ from = \"0 17 * *\", until = \"0 8 * * 1\" },\n{ from = \"0 17 * * 5\", until = \"0 8 * * 1\", zone = \"Berlin\" }]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
        &[
            "5:11 `from` of a freeze of environment `a` cannot be used / `0 17 * *` has 4 fields, and a time has five / write minute, hour, day of the month, month and day of the week, for example `0 17 * * FRI`",
            "6:53 `zone` of a freeze of environment `a` cannot be used / there is no time zone `Berlin` / write it as the IANA time zone database does, for example `Europe/Berlin`",
        ],
    ),
    (
        "schema = 1\napp = \"shop\"\n[environments.a]\nfreeze = [\n{ from = \"0 17 * * FRI-MOO\", until = \"0 8 * * 1\" }]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
        &[
            "5:20 `from` of a freeze of environment `a` cannot be used / `FRI-MOO` is no day of the week, which is 0 to 7 or `SUN` to `SAT`, `*`, a range, a step or a list / write minute, hour, day of the month, month and day of the week, for example `0 17 * * FRI`",
        ],
    ),
    (
        "schema = 1\napp = \"shop\"\n[environments.a]\nfreeze = [\n{ from = \"0 17 * * 5\", until = \"0 8 * * 1\" },\n{ from = \"* * * * *\", until = \"0 8 * * 1\" }]\n[environments.b]\nfreeze = [{ from = \"0 8 * * *\", until = \"0 20 * * *\" }, { from = \"0 20 * * *\", until = \"0 8 * * *\" }]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
        &[
            "6:1 `freeze` of environment `a` never ends / the window from `* * * * *` until `0 8 * * 1` (UTC) begins anew whenever it ends / leave a time in which one may deploy: `from` names the moment at which the freeze begins, for example `0 17 * * FRI`",
            "8:10 `freeze` of environment `b` never ends / each of its windows ends within another one / leave a time in which one may deploy: `from` names the moment at which the freeze begins, for example `0 17 * * FRI`",
        ],
    ),
    (
        "schema = 1\napp = \"shop\"\n[environments.a]\ntransient = true\nname = \"*\"\n[[step]]\nid = \"a\"\nplugin = \"command\"",
        &[
            "5:8 `name` of environment `a` cannot be used / `*` fits every name, so that no misspelt one would be a mistake / write a name with one `*`, for example `review/*`",
        ],
    ),
    (
        "schema = 2\napp = \"shop\"\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
        &["1:10 `schema` cannot be `2` / write `1`"],
    ),
    (
        "schema = 1\napp = \"shop\"\n[environments]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
        &["3:2 there is no environment / add one, for example `[environments.staging]`"],
    ),
    (
        "schema = 1\napp = \"shop\"\n[environments.a]",
        &["1:1 `deploy.toml` has no `step` / add `step`: what is done, in order"],
    ),
    (
        "schema = 1\napp = \"shop\"\nstep = []\n[environments.a]\n[[finally]]\nid = \"a\"\nplugin = \"command\"",
        &["3:1 there is no step / add a `[[step]]` with an `id` and a `plugin`"],
    ),
    (
        "schema = 1\napp = 'a shop'\n[environments.'a b!']\n[[step]]\nid = \"a\"\nplugin = \"command\"",
        &[
            "2:7 `app` cannot be `a shop` / it does not match `^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$` / a name of letters, digits and, within it, `.`, `_` and `-`",
        ],
    ),
    (
        "schema = 1\napp = 'shop'\n[environments.'../a']\n[[step]]\nid = \"a\"\nplugin = \"command\"",
        &[
            "3:15 an environment cannot have this name: `../a` is not a name of letters, digits, `_` and, within it, `-`, `.`, `/` and blanks / rename it, for example `[environments.staging]`",
        ],
    ),
    (
        "schema = 1\napp = 'shop'\nsteps = 1\nenvironment = 1\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
        &[
            "3:1 `deploy.toml` has no key `steps` / write `step`",
            "4:1 `deploy.toml` has no key `environment` / write `environments`",
        ],
    ),
    (
        "schema = 1\napp = 1979-05-27\nx = 99999999999999999999\ny = nan",
        &[
            "2:7 `1979-05-27` is a bare date or time / put it in quotes; configurations are JSON",
            "3:5 `99999999999999999999` is too large a number / write a number of 64 bits",
            "4:5 `nan` is not a number here / write a finite number",
        ],
    ),
    (
        "schema = 1\napp = 'shop'\n[environment.staging]\n[[step]]\nid = 'a'\nplugin = 'command'\nenvironments = ['staging']",
        &["3:2 `deploy.toml` has no key `environment` / write `environments`"],
    ),
    (
        "schema = 1\napp = 'shop'\non_cancel = 'rolback'\ntimeout = '5 minutes'\nrelease = 'Tag'\nenv = ['A-B', 1]\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
        &[
            "3:13 `on_cancel` cannot be `rolback` / write `rollback`",
            "4:11 `timeout` cannot be `5 minutes` / it does not match `^[0-9]{1,9}(ms|s|m|h)$` / a length of time, written `500ms`, `30s`, `10m` or `1h`",
            "5:11 `release` cannot be `Tag` / write `tag`",
            "6:8 `env[0]` cannot be `A-B` / it does not match `^[A-Za-z_][A-Za-z0-9_]*$` / a name of letters, digits and `_` that does not begin with a digit",
            "6:15 `env[1]` must be a string, not `1` / a name of letters, digits and `_` that does not begin with a digit",
        ],
    ),
    (
        "schema = 1\napp = 'shop'\nrelease = { version_from = 'Cargo.toml' }\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
        &["3:13 `release` has no key `version_from` / write `version-from`"],
    ),
    (
        "schema = 1\napp = 'shop'\nrelease = { version-from = '' }\ntimeout = '0s'\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
        &[
            "3:28 `release.version-from` names no file / name a file of the project, for example `Cargo.toml`",
            "4:11 `timeout` cannot be `0s` / write a longer time, or remove it for the default",
        ],
    ),
    (
        "schema = 1\napp = 'shop'\nrelease = 3\nvars = { a = 1 }\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
        &[
            "3:11 `release` must be a string or a table, not `3` / where the version stands",
            "4:14 `vars.a` must be a string, not `1`",
        ],
    ),
];

/// What is added to the end of a small file, within its one step.
const ADDED: &[(&str, &[&str])] = &[
    ("plugn = 'x'", &["10:1 step `release` has no key `plugn` / write `plugin`"]),
    (
        "colour = 'x'",
        &[
            "10:1 step `release` has no key `colour` / the keys here are `component`, `environments`, `id`, `idempotent`, `on_failure`, `output_limit`, `plugin`, `retry`, `state`, `timeout` and `with`",
        ],
    ),
    (
        "timeout = 10",
        &[
            "10:11 `timeout` of step `release` must be a string, not `10` / a length of time, written `500ms`, `30s`, `10m` or `1h`",
        ],
    ),
    (
        "timeout = '10 min'\nretry = { attempts = 0, backof = '1s' }\non_failure = 'Rollback'",
        &[
            "10:11 `timeout` of step `release` cannot be `10 min` / it does not match `^[0-9]{1,9}(ms|s|m|h)$` / a length of time, written `500ms`, `30s`, `10m` or `1h`",
            "11:22 `retry.attempts` of step `release` cannot be `0` / the least is `1`",
            "11:25 `retry` of step `release` has no key `backof` / write `backoff`",
            "12:14 `on_failure` of step `release` cannot be `Rollback` / write `rollback`",
        ],
    ),
    (
        "timeout = '0m'\nretry.attempts = 3.0",
        &[
            "11:18 `retry.attempts` of step `release` does not fit / invalid type: floating point `3.0`, expected u32 / `windlass schema` prints what fits",
        ],
    ),
    (
        "retry = { attempts = 101 }\nidempotent = 'yes'\noutput_limit = '64MB'",
        &[
            "10:22 `retry.attempts` of step `release` cannot be `101` / the most is `100`",
            "11:14 `idempotent` of step `release` must be `true` or `false`, not a string / whether it may be applied again when nobody knows how far it came",
            "12:16 `output_limit` of step `release` cannot be `64MB` / it does not match `^[0-9]{1,9}(B|KiB|MiB|GiB)$` / a size, written `4096B`, `512KiB`, `64MiB` or `1GiB`",
        ],
    ),
    (
        "component = 'Back End'\nstate = ''\nwith = 'x'\nenvironments = 'staging'",
        &[
            "10:13 `component` of step `release` cannot be `Back End` / it does not match `^[a-z0-9-]+$` / a name of small letters, digits and `-`",
            "11:9 `state` of step `release` cannot be `` / it does not match `^[a-z0-9-]+$` / a name of small letters, digits and `-`",
            "12:8 `with` of step `release` must be a table, not a string / the plugin's configuration; `windlass schema PLUGIN` says what it may be",
            "13:16 `environments` of step `release` must be an array, not a string / the environments in which it runs; without it, all",
        ],
    ),
    (
        "[[step]]\nplugin = 'command'\n[[step]]\nid = 'Release It'\nplugin = 'command'",
        &[
            "10:1 step 2 has no `id` / add `id`: the step's name, unique in the file",
            "13:6 `id` of step `Release It` cannot be `Release It` / it does not match `^[a-z0-9-]+$` / a name of small letters, digits and `-`",
        ],
    ),
    (
        "[[step]]\nid = 'other'\n[[step]]\nid = 'release'\nplugin = 'command'",
        &[
            "10:1 step `other` has no `plugin` / add `plugin`: what it runs: a built-in plugin by its name, a file by its path, or a component behind an `https://` URL or an `oci://` reference",
            "13:6 two steps have the id `release` / the other one is on line 8 / give one of them another `id`",
        ],
    ),
    (
        "[[finally]]\nid = 'release'\nplugin = 'command'\non_failure = 'stop'\nretry.attempts = 2",
        &[
            "11:6 two steps have the id `release` / the other one is on line 8 / give one of them another `id`",
            "13:1 finally step `release` cannot have `on_failure` / remove it; a finally step's failure is a note",
        ],
    ),
    (
        "environments = ['stagin', 'moon']\n[[step]]\nid = 'b'\nplugin = 'command'\nenvironments = []",
        &[
            "10:17 step `release` runs in environment `stagin`, which there is not / write `staging`",
            "10:27 step `release` runs in environment `moon`, which there is not / the environments are `staging` and `production`",
            "14:16 step `b` runs in no environment / name one, or remove `environments` to run it in all",
        ],
    ),
    (
        "[[step]]\nid = 'a'\nplugin = 'http://a.example/b.wasm'\n[[step]]\nid = 'b'\nplugin = 'Command'",
        &[
            "12:10 `plugin` of step `a` cannot be `http://a.example/b.wasm` / it is neither the name of a plugin nor where one is / write `https://`",
            "15:10 `plugin` of step `b` cannot be `Command` / it is neither the name of a plugin nor where one is / write a built-in plugin's name, a path such as `./plugins/mine.wasm`, an `https://` URL or an `oci://` reference",
        ],
    ),
    (
        "[environments.a]\nafter = ['a', 'stagin', 'b']\n[environments.b]\nafter = ['c']\n[environments.c]\nafter = ['a']",
        &[
            "11:10 environment `a` cannot come after itself / remove it",
            "11:15 environment `a` comes after `stagin`, which there is not / write `staging`",
            "15:10 environments `a`, `b` and `c` wait for each other / remove `a` from this `after`, or break the circle elsewhere",
        ],
    ),
    (
        "[environments.Staging]\n[environments.a]\nurll = 'x'\nafter = 'staging'\nurl = 1",
        &[
            "10:15 environments `staging` and `Staging` differ only in case / rename one of the two",
            "12:1 environment `a` has no key `urll` / write `url`",
            "13:9 `after` of environment `a` must be an array, not a string / the environments that a commit has to be deployed to before this one",
            "14:7 `url` of environment `a` must be a string, not `1` / where it can be seen, for `${environment.url}` and for the forge",
        ],
    ),
    (
        "[environments.a]\napproval = { self = true, bind = 'plam' }\nlease = { wait = '1', hold = '2s' }\ndeployment = 'adapt'",
        &[
            "11:12 `approval` of environment `a` has no `required` / add `required`: how many people have to approve",
            "11:34 `approval.bind` of environment `a` cannot be `plam` / write `plan`",
            "12:18 `lease.wait` of environment `a` cannot be `1` / it does not match `^[0-9]{1,9}(ms|s|m|h)$` / a length of time, written `500ms`, `30s`, `10m` or `1h`",
            "12:23 `lease` of environment `a` has no key `hold` / the keys here are `duration` and `wait`",
            "13:14 `deployment` of environment `a` cannot be `adapt` / write `adopt`",
        ],
    ),
    (
        "[environments.a]\napproval = { required = 3, from = { users = ['x', 'y'] } }\nlease = { duration = '0s' }\n[environments.b]\napproval = { required = 1, from = {} }",
        &[
            "11:25 environment `a` requires 3 approvals, and only `x` and `y` may give one / lower it to `2`, or name more `users` or `teams`",
            "12:22 `lease.duration` of environment `a` cannot be `0s` / write a longer time, or remove it for the default",
            "14:35 nobody may approve a deployment to environment `b` / name `users` or `teams`, or remove `from`",
        ],
    ),
    (
        "[environments.a.step.relese]\nwith.x = 1\n[environments.a.step.nothing]\n[environments.a.step.'A B']\n[environments.a.step.release]\nwit.x = 1",
        &["15:1 step `release` in environment `a` has no key `wit` / write `with`"],
    ),
    (
        "[environments.a.step.relese]\nwith.x = 1\n[environments.a.step.nothing]\n[environments.a.step.'A B']",
        &[
            "10:22 environment `a` changes step `relese`, which there is not / write `release`",
            "12:22 environment `a` changes step `nothing`, which there is not / name a step by its `id`, or remove this",
            "13:22 environment `a` changes a step that there cannot be: `A B` is not a name of small letters, digits and `-` / name a step by its `id`",
        ],
    ),
    (
        "environments = ['staging']\n[environments.a.step.release]\nwith.x = 1",
        &[
            "11:22 environment `a` changes step `release`, which does not run in it / add `a` to the step's `environments`, or remove this",
        ],
    ),
    (
        "state = 's'\n[[finally]]\nid = 'tell'\nplugin = 'notify-slack'\nstate = 's'",
        &[
            "14:9 steps `release` and `tell` share the state `s`, but not the plugin / give each plugin a state of its own",
        ],
    ),
    (
        "with.run = ['${secrets.TOKEN}', '${deployment.versoin}', '${', '${vars.regoin}', '${vars.other}', '${vars.size}']",
        &[
            "10:14 step `release` cannot put the secret `TOKEN` into a text / secrets are references: write `{ secret = \"TOKEN\" }` where the plugin takes one",
            "10:34 step `release` has a hole `${deployment.versoin}` that nothing fills / write `${deployment.version}`",
            "10:59 a `${` in step `release` has no `}` / close it, or write `$${` for the two characters",
            "10:65 step `release` uses `${vars.regoin}`, which there is not / write `${vars.region}`",
            "10:83 step `release` uses `${vars.other}`, which there is not / add `other` to `[vars]`",
            "10:100 step `release` uses `${vars.size}`, which has no value in `staging` / add `size` to `[vars]`, or to the `vars` of those environments",
        ],
    ),
    (
        "with.run = ['${env.BUILD_NUMBR}', '${env.HOME}', '${x y}', '${ vars.region }', '$${fine}', \"\\u0024{odd}\"]",
        &[
            "10:14 step `release` uses the variable `BUILD_NUMBR`, which `env` does not name / write `${env.BUILD_NUMBER}`, or add `\"BUILD_NUMBR\"` to the list `env`",
            "10:36 step `release` uses the variable `HOME`, which `env` does not name / add `\"HOME\"` to the list `env` at the top",
            "10:51 step `release` has a hole `${x y}` that nothing fills / write `${vars.X}`, `${env.X}`, `${environment.url}`, `${deployment.version}`, `${deployment.commit}` or `${steps.ID.outputs.NAME}`; `$${` is `${` as it stands",
            "10:61 step `release` has a hole `${ vars.region }` that nothing fills / write `${vars.region}`",
            "10:92 step `release` has a hole `${odd}` that nothing fills / write `${vars.X}`, `${env.X}`, `${environment.url}`, `${deployment.version}`, `${deployment.commit}` or `${steps.ID.outputs.NAME}`; `$${` is `${` as it stands",
        ],
    ),
    (
        "with.url = '${environment.url}'\n[environments.a]\nurl = 'http://${vars.region}'\nvars = { a = '${x}' }",
        &[
            "10:13 step `release` uses `${environment.url}`, and `production` has no `url` / add a `url` to the environment, or leave it out of the step's `environments`",
            "12:15 `${` stands where nothing is filled in / only the strings in a step's `with` are filled / write the value itself, or move this text into `with`",
            "13:15 `${` stands where nothing is filled in / only the strings in a step's `with` are filled / write the value itself, or move this text into `with`",
        ],
    ),
    (
        "with = { a = '${steps.release.outputs.x}', b = '${steps.later.outputs.x}', c = '${steps.latr.outputs.x}', d = '${steps.later.x}' }\n[[step]]\nid = 'later'\nplugin = 'command'\nwith.x = '${steps.relese.outputs.x}'",
        &[
            "10:15 step `release` uses its own output `x` / name a step before it",
            "10:49 step `release` uses the output `x` of step `later`, which runs after it / move step `later` before step `release`",
            "10:81 step `release` uses the output `x` of step `latr`, which there is not / name a step before it by its `id`",
            "10:112 step `release` has a hole `${steps.later.x}` that nothing fills / write `${steps.ID.outputs.NAME}`",
            "14:11 step `later` uses the output `x` of step `relese`, which there is not / write `${steps.release.outputs.x}`",
        ],
    ),
    (
        "environments = ['staging']\n[[step]]\nid = 'b'\nplugin = 'command'\ncomponent = 'backend'\nwith.x = '${steps.release.outputs.x}'\n[[finally]]\nid = 'c'\nplugin = 'command'\nenvironments = ['staging']\nwith.x = '${steps.b.outputs.x}'",
        &[
            "15:11 step `b` uses the output `x` of step `release`, which does not run in `production` / let both run in the same `environments`",
            "20:11 step `c` uses the output `x` of step `b`, which belongs to another component / give both the same `component`, or neither",
        ],
    ),
    (
        "with = { '${vars.region}' = 1 }\n[[step]]\nid = 'b'\nplugin = './${vars.region}.wasm'",
        &[
            "10:10 a key in `with` of step `release` has `${` in it / only values are filled / write the key as it is to be",
            "13:13 `${` stands where nothing is filled in / only the strings in a step's `with` are filled / write the value itself, or move this text into `with`",
        ],
    ),
    (
        "tiemout = '1s'\nwith.run = ['${secrets.A}', '${vars.missing}', '${environment.url}']\n[[step]]\nid = 'release'\nplugin = 'command'\nenvironments = ['moon']",
        &[
            "10:1 step `release` has no key `tiemout` / write `timeout`",
            "11:14 step `release` cannot put the secret `A` into a text / secrets are references: write `{ secret = \"A\" }` where the plugin takes one",
            "13:6 two steps have the id `release` / the other one is on line 8 / give one of them another `id`",
            "15:17 step `release` runs in environment `moon`, which there is not / the environments are `staging` and `production`",
        ],
    ),
    (
        "with.token = { secret = 'A_${vars.region}' }\nwith.list = [{ secret = '${env.BUILD_NUMBER}' }]",
        &["11:25 step `release` names a secret that is known only when it runs / write the secret's name as it is"],
    ),
    (
        "with.'a/b~c' = [[{ 'd e' = '${nothing}' }]]",
        &[
            "10:29 step `release` has a hole `${nothing}` that nothing fills / write `${vars.X}`, `${env.X}`, `${environment.url}`, `${deployment.version}`, `${deployment.commit}` or `${steps.ID.outputs.NAME}`; `$${` is `${` as it stands",
        ],
    ),
];

#[test]
fn a_file_that_is_not_there_or_not_text() {
    let directory = std::env::temp_dir().join(format!("windlass-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let told = |name: &str| {
        let found = load(&directory.join(name)).unwrap_err();
        shown(&found).join("\n").replace(&directory.display().to_string(), "DIRECTORY")
    };
    let missing = told("deploy.toml");
    std::fs::write(directory.join("latin.toml"), b"schema = 1\napp = \"caf\xe9\"").unwrap();
    let latin = told("latin.toml");
    std::fs::create_dir_all(directory.join("folder")).unwrap();
    let folder = told("folder");
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(
        missing,
        "config-not-found 0:0 there is no `DIRECTORY/deploy.toml` / run `windlass init` to write one, or name another with \
         `--config FILE`"
    );
    assert_eq!(
        latin,
        "config-invalid 0:0 `DIRECTORY/latin.toml` is not UTF-8 text / line 2: invalid utf-8 sequence of 1 bytes from index 21 / save \
         it as UTF-8"
    );
    assert!(folder.starts_with("config-invalid 0:0 `DIRECTORY/folder` cannot be read / "), "{folder}");
}
