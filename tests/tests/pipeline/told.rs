//! What people are told, as a whole: plans, runs, and what became of them.

use super::{Step, project, text};
use e2e::Project;

#[test]
fn a_plan() {
    let project = project(&[
        Step::of("look", "true").with("effect = \"reads\""),
        Step::marks("a").unless("false"),
        Step::marks("done").unless("true"),
        Step::of("mail", "true"),
        Step::finally("tell"),
    ]);
    insta::assert_snapshot!(project.windlass("plan").all(), @"
    exit: Some(0)
    --- stdout
    plan: shop 0123456789 at 0123456789 to staging
      · look  run `sh -c true`
      ~ a     run `sh -c 'echo a >> order'`
      - done  nothing to do
      ! mail  run `sh -c true`  (cannot be taken back)
      · tell  at the end, however it ends

    1 to change, 1 that cannot be taken back
    sha256:[digest]
    --- stderr
    ");
    insta::assert_snapshot!(project.windlass("plan --full").all(), @"
    exit: Some(0)
    --- stdout
    plan: shop 0123456789 at 0123456789 to staging
      · look  run `sh -c true`
              | directory: `.`
              | nothing to take back
              may run `sh -c true`, unconfined (apply)
      ~ a     run `sh -c 'echo a >> order'`
              | directory: `.`
              | taken back by: `sh -c 'echo -a >> order'`
              | not done yet, says: `sh -c false`
              may run `sh -c 'echo -a >> order'`, unconfined (revert)
              may run `sh -c 'echo a >> order'`, unconfined (apply)
              may run `sh -c false`, connecting anywhere (plan)
              did run `sh -c false`, 1×
      - done  nothing to do
              may run `sh -c 'echo -done >> order'`, unconfined (revert)
              may run `sh -c 'echo done >> order'`, unconfined (apply)
              may run `sh -c true`, connecting anywhere (plan)
              did run `sh -c true`, 1×
      ! mail  run `sh -c true`  (cannot be taken back)
              | directory: `.`
              | cannot be taken back
              may run `sh -c true`, unconfined (apply)
      · tell  at the end, however it ends
              may run `sh -c 'echo tell >> order'`, unconfined (apply)

    1 to change, 1 that cannot be taken back
    sha256:[digest]
    --- stderr
    ");
}

#[test]
fn a_run_and_the_same_again() {
    let project = project(&[Step::marks("a").unless("grep -qx a order"), Step::finally("tell")]);
    insta::assert_snapshot!(project.windlass("run --release-version 1.2.3").all(), @"
    exit: Some(0)
    --- stdout
    --- stderr
    plan: shop 1.2.3 at 0123456789 to staging
      ~ a     run `sh -c 'echo a >> order'`
      · tell  at the end, however it ends

    1 to change
    sha256:[digest]

    deploying shop 1.2.3 to staging  [run]
    ▸ a
    ✓ a: ran `sh -c 'echo a >> order'` [duration]
    ▸ tell
    ✓ tell: ran `sh -c 'echo tell >> order'` [duration]

    shop 1.2.3 (0123456789) is live in staging in [duration]
    ");
    insta::assert_snapshot!(project.windlass("run --release-version 1.2.3").all(), @"
    exit: Some(0)
    --- stdout
    --- stderr
    plan: shop 1.2.3 at 0123456789 to staging
      - a     nothing to do
      · tell  at the end, however it ends

    nothing is going to change
    sha256:[digest]

    deploying shop 1.2.3 to staging  [run]
    - a: nothing to do

    nothing changed: shop 1.2.3 (0123456789) is live in staging in [duration]
    ");
    insta::assert_snapshot!(project.windlass("history").all(), @"
    exit: Some(0)
    --- stdout
    [run]  staging      1.2.3      0123456789  succeeded (nothing changed)  [duration]
    [run]  staging      1.2.3      0123456789  succeeded  [duration]
    --- stderr
    ");
    insta::assert_snapshot!(project.windlass("status").all(), @"
    exit: Some(0)
    --- stdout
    staging
      live    1.2.3 (0123456789) since [time]
      next    nothing
    --- stderr
    ");
}

#[test]
fn a_run_that_is_taken_back() {
    let retried = Step::of("b", "echo working; echo it is broken; exit 3")
        .reverted_by("exit 1")
        .key("retry = { attempts = 2, backoff = \"1ms\" }");
    let project = project(&[Step::marks("a"), retried]);
    insta::assert_snapshot!(project.windlass("run").all(), @"
    exit: Some(11)
    --- stdout
    --- stderr
    plan: shop 0123456789 at 0123456789 to staging
      ~ a  run `sh -c 'echo a >> order'`
      ~ b  run `sh -c 'echo working; echo it is broken; exit 3'`

    2 to change
    sha256:[digest]

    deploying shop 0123456789 to staging  [run]
    ▸ a
    ✓ a: ran `sh -c 'echo a >> order'` [duration]
    ▸ b
    working
    it is broken
    ✗ b (it is tried again) [duration]
        `sh -c 'echo working; echo it is broken; exit 3'` ended with exit code 3
          working
          it is broken
    ▸ b (attempt 2)
    working
    it is broken
    ✗ b [duration]
        `sh -c 'echo working; echo it is broken; exit 3'` ended with exit code 3
          working
          it is broken
    taking back what was done until `b`
    ◂ b
    ✗ b could not be taken back [duration]
        `sh -c 'exit 1'` ended with exit code 1
          it wrote nothing
    ◂ a
    ↩ a: ran `sh -c 'echo -a >> order'` [duration]

    shop 0123456789 was not deployed to staging, and not all of it could be taken back: a person is needed in [duration]
    exit 11: `windlass explain revert-failed` and `windlass explain 11` say more
    next: a person has to look: not everything could be taken back; `windlass rollback -e staging` tries the rest again
    ");
    insta::assert_snapshot!(project.windlass("status").all(), @"
    exit: Some(0)
    --- stdout
    staging
      live    nothing that is known of
      run     [run] rollback-failed, 0123456789 since [time]
              `sh -c 'echo working; echo it is broken; exit 3'` ended with exit code 3
              step `b`: could not be taken back
              `sh -c 'exit 1'` ended with exit code 1
      next    a person has to look: not everything could be taken back; `windlass rollback -e staging` tries the rest again
    --- stderr
    ");
    insta::assert_snapshot!(project.windlass("history").all(), @"
    exit: Some(0)
    --- stdout
    [run]  staging      0123456789 0123456789  rollback-failed  [duration]
    --- stderr
    ");
}

#[test]
fn a_lock_that_is_made_and_widened() {
    let project = Project::with(&text("", &[Step::marks("a")]));
    insta::assert_snapshot!(project.windlass("lock").all(), @"
    exit: Some(0)
    --- stdout
    staging / a
      + use the plugin `command@0.1.0`
      + run `sh -c 'echo -a >> order'`, unconfined (revert)
      + run `sh -c 'echo a >> order'`, unconfined (apply)
    3 lines more and 0 lines less
    --- stderr
    wrote [project]/deploy.lock: commit it, and have the difference reviewed
    ");
    insta::assert_snapshot!(project.read("deploy.lock"), @r#"
    # Written by `windlass lock`. Commit it, and review each line like code:
    # it is something that a plugin may do. `windlass run` refuses what is not here.
    schema = 1

    [environment.staging.a]
    plugin = "command@0.1.0"
    capabilities = [
      { kind = "exec", program = "sh", arguments = ["-c", "echo -a >> order"], writes = ["/"], connects = "any", phases = ["revert"] },
      { kind = "exec", program = "sh", arguments = ["-c", "echo a >> order"], writes = ["/"], connects = "any", phases = ["apply"] },
    ]
    "#);
    project.write("deploy.toml", &text("", &[Step::marks("a").with("background = true"), Step::marks("b")]));
    insta::assert_snapshot!(project.windlass("lock --check").all(), @"
    exit: Some(22)
    --- stdout
    | | environment | step | it may |
    | --- | --- | --- | --- |
    | ➖ less | staging | a | run `sh -c 'echo -a >> order'`, unconfined (revert) |
    | ➖ less | staging | a | run `sh -c 'echo a >> order'`, unconfined (apply) |
    | ➕ more | staging | a | run `sh -c 'echo -a >> order'` and leave it running, unconfined (revert) |
    | ➕ more | staging | a | run `sh -c 'echo a >> order'` and leave it running, unconfined (apply) |
    | ➕ more | staging | b | use the plugin `command@0.1.0` |
    | ➕ more | staging | b | run `sh -c 'echo -b >> order'`, unconfined (revert) |
    | ➕ more | staging | b | run `sh -c 'echo b >> order'`, unconfined (apply) |

    5 lines more and 2 lines less
    --- stderr
    error: `deploy.lock` is not what `deploy.toml` asks for now
    note: nothing was run
    hint: run `windlass lock`, commit the file and have the difference reviewed
    ");
}
