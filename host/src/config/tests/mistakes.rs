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
    ("", &[]),
    ("schema = 1\napp = \"x\nb = 1", &[]),
    ("schema = 1\nschema = 1\n[a]\n[a]", &[]),
    ("schema = 2\napp = \"shop\"\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"", &[]),
    ("schema = 1\napp = \"shop\"\n[environments]\n[[step]]\nid = \"a\"\nplugin = \"command\"", &[]),
    ("schema = 1\napp = \"shop\"\n[environments.a]", &[]),
    ("schema = 1\napp = \"shop\"\nstep = []\n[environments.a]\n[[finally]]\nid = \"a\"\nplugin = \"command\"", &[]),
    ("schema = 1\napp = 'a shop'\n[environments.'a b!']\n[[step]]\nid = \"a\"\nplugin = \"command\"", &[]),
    ("schema = 1\napp = 'shop'\n[environments.'../a']\n[[step]]\nid = \"a\"\nplugin = \"command\"", &[]),
    ("schema = 1\napp = 'shop'\nsteps = 1\nenvironment = 1\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"", &[]),
    ("schema = 1\napp = 1979-05-27\nx = 99999999999999999999\ny = nan", &[]),
    ("schema = 1\napp = 'shop'\n[environment.staging]\n[[step]]\nid = 'a'\nplugin = 'command'\nenvironments = ['staging']", &[]),
    ("schema = 1\napp = 'shop'\non_cancel = 'rolback'\ntimeout = '5 minutes'\nrelease = 'Tag'\nenv = ['A-B', 1]\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"", &[]),
    ("schema = 1\napp = 'shop'\nrelease = { version_from = 'Cargo.toml' }\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"", &[]),
    ("schema = 1\napp = 'shop'\nrelease = { version-from = '' }\ntimeout = '0s'\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"", &[]),
    ("schema = 1\napp = 'shop'\nrelease = 3\nvars = { a = 1 }\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"", &[]),
];

/// What is added to the end of a small file, within its one step.
const ADDED: &[(&str, &[&str])] = &[
    ("plugn = 'x'", &[]),
    ("colour = 'x'", &[]),
    ("timeout = 10", &[]),
    ("timeout = '10 min'\nretry = { attempts = 0, backof = '1s' }\non_failure = 'Rollback'", &[]),
    ("timeout = '0m'\nretry.attempts = 3.0", &[]),
    ("retry = { attempts = 101 }\nidempotent = 'yes'\noutput_limit = '64MB'", &[]),
    ("component = 'Back End'\nstate = ''\nwith = 'x'\nenvironments = 'staging'", &[]),
    ("[[step]]\nplugin = 'command'\n[[step]]\nid = 'Release It'\nplugin = 'command'", &[]),
    ("[[step]]\nid = 'other'\n[[step]]\nid = 'release'\nplugin = 'command'", &[]),
    ("[[finally]]\nid = 'release'\nplugin = 'command'\non_failure = 'stop'\nretry.attempts = 2", &[]),
    ("environments = ['stagin', 'moon']\n[[step]]\nid = 'b'\nplugin = 'command'\nenvironments = []", &[]),
    ("[[step]]\nid = 'a'\nplugin = 'http://a.example/b.wasm'\n[[step]]\nid = 'b'\nplugin = 'Command'", &[]),
    ("[environments.a]\nafter = ['a', 'stagin', 'b']\n[environments.b]\nafter = ['c']\n[environments.c]\nafter = ['a']", &[]),
    ("[environments.Staging]\n[environments.a]\nurll = 'x'\nafter = 'staging'\nurl = 1", &[]),
    ("[environments.a]\napproval = { self = true, bind = 'plam' }\nlease = { wait = '1', hold = '2s' }\ndeployment = 'adapt'", &[]),
    ("[environments.a]\napproval = { required = 3, from = { users = ['x', 'y'] } }\nlease = { duration = '0s' }\n[environments.b]\napproval = { required = 1, from = {} }", &[]),
    ("[environments.a.step.relese]\nwith.x = 1\n[environments.a.step.nothing]\n[environments.a.step.'A B']\n[environments.a.step.release]\nwit.x = 1", &[]),
    ("[environments.a.step.relese]\nwith.x = 1\n[environments.a.step.nothing]\n[environments.a.step.'A B']", &[]),
    ("environments = ['staging']\n[environments.a.step.release]\nwith.x = 1", &[]),
    ("state = 's'\n[[finally]]\nid = 'tell'\nplugin = 'notify-slack'\nstate = 's'", &[]),
    ("with.run = ['${secrets.TOKEN}', '${deployment.versoin}', '${', '${vars.regoin}', '${vars.other}', '${vars.size}']", &[]),
    ("with.run = ['${env.BUILD_NUMBR}', '${env.HOME}', '${x y}', '${ vars.region }', '$${fine}', \"\\u0024{odd}\"]", &[]),
    ("with.url = '${environment.url}'\n[environments.a]\nurl = 'http://${vars.region}'\nvars = { a = '${x}' }", &[]),
    ("with = { a = '${steps.release.outputs.x}', b = '${steps.later.outputs.x}', c = '${steps.latr.outputs.x}', d = '${steps.later.x}' }\n[[step]]\nid = 'later'\nplugin = 'command'\nwith.x = '${steps.relese.outputs.x}'", &[]),
    ("environments = ['staging']\n[[step]]\nid = 'b'\nplugin = 'command'\ncomponent = 'backend'\nwith.x = '${steps.release.outputs.x}'\n[[finally]]\nid = 'c'\nplugin = 'command'\nenvironments = ['staging']\nwith.x = '${steps.b.outputs.x}'", &[]),
    ("with = { '${vars.region}' = 1 }\n[[step]]\nid = 'b'\nplugin = './${vars.region}.wasm'", &[]),
    ("tiemout = '1s'\nwith.run = ['${secrets.A}', '${vars.missing}', '${environment.url}']\n[[step]]\nid = 'release'\nplugin = 'command'\nenvironments = ['moon']", &[]),
    ("with.'a/b~c' = [[{ 'd e' = '${nothing}' }]]", &[]),
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
    assert_eq!(missing, "");
    assert_eq!(latin, "");
    assert!(folder.starts_with("config-invalid 0:0 `DIRECTORY/folder` cannot be read / "), "{folder}");
}
