// The template and the ready pipelines as GitLab runs them: under gitlab-ci-local, with its shell, in a repository of its own,
// against a GitLab on loopback. What is deployed is the example application, or a few commands where the forge is what is looked at.
// Run with: node --test tests/jobs/gitlab.test.mjs
//
// Needs `cargo build --package windlass` and `cargo build --package e2e --bin fake`, git, rsync, curl and xz; gitlab-ci-local and
// the node that it needs come from npm. It runs the jobs one after the other, whatever their `resource_group`, and gives them all
// one number where it is not told which: so each job that deploys is a run of its own here.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { startForge } from "./forge.mjs";
import { ask, fetchInclude, gitlabCiLocal, includesOf, makeTemplateProject, readPipeline, readTemplate } from "./gitlab-ci-local.mjs";
import { ROOT, SLOW, built, freePort, makeRepository, makeScratch, processesBelow, put, run, serve, shop, signal, slow } from "./workplace.mjs";

// The debug build is large, and is packed but once for all tests.
let packed;
function archive(scratch) {
  if (packed === undefined) {
    const file = path.join(scratch, "windlass.tar.xz");
    execFileSync("tar", ["--create", "--file", file, "--use-compress-program=xz -0 -T0", "--directory", path.dirname(built("windlass")), "windlass"]);
    packed = readFileSync(file);
  }
  return packed;
}

// What GitLab says of a pipeline, by what began it. gitlab-ci-local takes each for one of the default branch.
const PIPELINES = {
  "the default branch": [],
  "another branch": ["CI_COMMIT_BRANCH=topic", "CI_COMMIT_REF_NAME=topic"],
  "a tag": ["CI_COMMIT_TAG=v1.0.0", "CI_COMMIT_REF_NAME=v1.0.0", "CI_COMMIT_BRANCH"],
  "a merge request": [
    "CI_PIPELINE_SOURCE=merge_request_event", "CI_MERGE_REQUEST_IID=17", "CI_COMMIT_REF_NAME=topic", "CI_COMMIT_BRANCH",
    "CI_MERGE_REQUEST_PROJECT_ID=42", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID=42",
  ],
  "a schedule": ["CI_PIPELINE_SOURCE=schedule"],
};

/** The same as arguments. A name alone is a variable that is not there. */
const saidOf = (pipeline) => PIPELINES[pipeline].flatMap((one) => [one.includes("=") ? "--variable" : "--unset-variable", one]);

/** A project with these files and a pipeline, which is one of the ready ones or its text, and everything around it. */
async function makeProject(test, pipeline, files, { inputs = { binary: built("windlass") }, sha256, before = () => {} } = {}) {
  const gitlab = await startForge("gitlab");
  const scratch = makeScratch(test, async () => {
    await gitlab.stop();
    before(path.join(scratch, "shop"));
  });
  const template = makeTemplateProject(path.join(scratch, "gitlab"), readTemplate(sha256));
  files[".gitlab-ci.yml"] = pipeline.includes("\n") ? pipeline : readPipeline(pipeline, template.commit, inputs);
  // The tool takes what the repository ignores for rubbish, and copies the rest.
  const repository = makeRepository(path.join(scratch, "shop"), files, { remote: "https://gitlab.com/acme/shop.git" });
  repository.commit("Shop");
  repository.git("update-ref", "refs/remotes/origin/main", "HEAD");
  repository.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main");
  const env = { ...repository.env, ...template.env };
  const ofProject = `project: acme/windlass\n    ref: ${template.commit}\n    file: .gitlab-ci-template.yml`;
  await fetchInclude(repository.directory, env, ofProject);

  /** Another pipeline instead: a ready one, or the template with inputs, as often as there are some. */
  const use = (pipeline, form = ofProject) => {
    const text = typeof pipeline === "string" ? readPipeline(pipeline, template.commit, inputs) : includesOf(form, pipeline);
    put(repository.directory, ".gitlab-ci.yml", text);
  };
  /** Jobs of one pipeline, with those that they need; all that begin by themselves where none is named. */
  const happen = async (jobs, { needs = jobs.length > 0, pipeline = "the default branch", job = 9001, variables = {}, whenSaid } = {}) => {
    const commit = repository.git("rev-parse", "HEAD");
    const given = { ...gitlab.variables, GITLAB_CI: "true", CI_COMMIT_SHA: commit, CI_JOB_ID: job };
    const said = (pairs) => Object.entries(pairs).flatMap(([name, value]) => ["--variable", `${name}=${value}`]);
    const [node, program] = gitlabCiLocal();
    const args = [program, "--force-shell-executor", "--no-shell-isolation"];
    if (needs) args.push("--needs");
    // Of one that is said twice, the last one counts.
    args.push(...said(given), ...saidOf(pipeline), ...said(variables));
    const ended = await run(node, [...args, ...jobs], { cwd: repository.directory, env, whenSaid });
    const { mistakes } = await gitlab.kept();
    assert.deepEqual(mistakes, [], `what GitLab was told is not what it takes\n${ended.text}`);
    return ended;
  };
  /** GitLab makes the deployment of a job that has an environment, before the job begins. */
  const makeDeployment = async (environment, job = 9001, ...people) => {
    const { deployments } = await gitlab.tell(["deployment", repository.git("rev-parse", "HEAD"), environment, String(job), ...people]);
    return String(deployments.at(-1).id);
  };
  /** The jobs that a pipeline has, and whether they begin by themselves. */
  const jobs = async (pipeline) => {
    const listed = JSON.parse(await ask(repository.directory, env, ["--list-json", ...saidOf(pipeline)], "[\n"));
    return Object.fromEntries(listed.filter(({ when }) => when !== "never").map(({ name, when }) => [name, when]));
  };
  /** The journals of the runs, oldest first. */
  const journals = () => {
    const runs = path.join(repository.directory, ".windlass/runs");
    const read = (run) => readFileSync(path.join(runs, run, "journal.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line).event);
    return existsSync(runs) ? readdirSync(runs).sort().map(read) : [];
  };
  return { ...repository, scratch, template, gitlab, use, happen, makeDeployment, jobs, journals };
}

/** The example application there, with a release of the template on a mirror. */
async function makeShop(test, pipeline, { edit = (config) => config, sha256 } = {}) {
  const ports = [await freePort(), await freePort()];
  const files = shop();
  const config = readFileSync(path.join(ROOT, "examples/shop/deploy.toml"), "utf8");
  files["deploy.toml"] = edit(config.replaceAll("18431", ports[0]).replaceAll("18432", ports[1]));
  const bytes = archive(makeScratch(test));
  const mirror = await serve(test, { "/v0.1.0/windlass-0.1.0-linux-x64.tar.xz": bytes, "/v0.1.0/windlass-0.1.0-linux-arm64.tar.xz": bytes });
  sha256 ??= createHash("sha256").update(bytes).digest("hex");
  const before = (directory) => execFileSync("./stop", { cwd: directory });
  const project = await makeProject(test, pipeline, files, { inputs: { releases: mirror.url }, sha256, before });
  return { ...project, ports, mirror };
}

const health = async (port) => (await fetch(`http://127.0.0.1:${port}/health`)).json();

test("what is merged is deployed as planned, by a binary that was fetched and checked; what fails is taken back, and what went well by hand", slow, async (test) => {
  const it = await makeShop(test, "deploy.yml");
  await it.makeDeployment("staging");
  const first = await it.happen(["deploy  to staging"]);
  assert.equal(first.code, 0, first.text);
  assert.equal((await health(it.ports[0])).version, "1.0.0");
  // Once for both jobs.
  assert.equal(it.mirror.asked.length, 1);
  assert.match(readFileSync(path.join(it.directory, "windlass-reports/deploy.env"), "utf8"), /^WINDLASS_OUTCOME=succeeded$/m);

  execFileSync("./bin/second-version", [], { cwd: it.directory, env: it.env });
  it.commit("Add reviews");
  await it.makeDeployment("staging", 9002);
  const second = await it.happen(["deploy  to staging"], { job: 9002 });
  assert.equal(second.code, 0, second.text);
  assert.equal((await health(it.ports[0])).version, "1.1.0");

  await it.makeDeployment("staging", 9003);
  const back = await it.happen(["roll back  in staging"], { needs: false, job: 9003 });
  assert.equal(back.code, 0, back.text);
  assert.equal((await health(it.ports[0])).version, "1.0.0");

  execFileSync("./bin/second-version", ["--broken"], { cwd: it.directory, env: it.env });
  it.commit("Break it");
  await it.makeDeployment("staging", 9004);
  const failed = await it.happen(["deploy  to staging"], { job: 9004 });
  assert.notEqual(failed.code, 0, failed.text);
  assert.match(failed.text, /FAIL.* 10\b/);
  assert.equal((await health(it.ports[0])).version, "1.0.0");
});

test("one approval, bound to the plan that was shown, lets production be deployed", slow, async (test) => {
  const it = await makeShop(test, "promote.yml", { edit: (config) => config.replace('after = ["staging"]\n', 'after = ["staging"]\napproval = { required = 1 }\n') });
  const staging = await it.makeDeployment("staging");
  assert.equal((await it.happen(["deploy  to staging"])).code, 0);
  await it.gitlab.tell(["end", staging, "9001", "success"]);
  const deployment = await it.makeDeployment("production", 9002, "grace");
  const planned = await it.happen(["plan  for production"], { needs: false });
  assert.equal(planned.code, 0, planned.text);

  await it.gitlab.tell(["say", deployment, "grace", "approved"]);
  // What the first job handed on is there: it is not run again.
  const deployed = await it.happen(["deploy  to production"], { needs: false, job: 9002 });
  assert.equal(deployed.code, 0, deployed.text);
  for (const port of it.ports) assert.equal((await health(port)).version, "1.0.0");
});

test("what a killed or another job left where the binary is kept is proven before it is run", async (test) => {
  const it = await makeProject(test, "deploy.yml", { "deploy.toml": COMPONENTS });
  const bytes = archive(it.scratch);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const name = "/v0.1.0/windlass-0.1.0-linux";
  const mirror = await serve(test, { [`${name}-x64.tar.xz`]: bytes, [`${name}-arm64.tar.xz`]: bytes });
  put(it.directory, ".gitlab-ci.yml", interpolated({ environment: "staging", component: "backend", releases: mirror.url }, sha256));
  const beside = `${it.directory}.tmp`;
  const kept = path.join(beside, `windlass-${sha256}.tar.xz`);
  const plan = async () => {
    const { code, text } = await it.happen(["plan backend for staging"]);
    assert.equal(code, 0, text);
    assert.doesNotMatch(text, /IT RAN/);
    assert.ok(readFileSync(kept).equals(bytes), "what is kept is whole");
  };
  await plan();
  writeFileSync(kept, bytes.subarray(0, bytes.length / 2));
  await plan();
  // Programs of that name wherever a job could put one, also where the binary itself was kept.
  for (const one of [...readdirSync(beside), `windlass-${sha256}`, "windlass.planted"].filter((one) => !one.endsWith(".xz"))) {
    put(beside, `${one}/windlass`, "#!/bin/sh\necho IT RAN\n");
    chmodSync(path.join(beside, one, "windlass"), 0o755);
  }
  await plan();
  // Neither was the whole of it fetched a third time, nor is there more of it than of the last job.
  assert.equal(mirror.asked.length, 2);
  assert.equal(readdirSync(beside).filter((one) => one.startsWith("windlass.")).length, 1);
});

test("what the template's release does not name is neither kept nor run", slow, async (test) => {
  const it = await makeShop(test, "deploy.yml", { sha256: "0".repeat(64) });
  const { code, text } = await it.happen(["plan  for staging"]);
  assert.notEqual(code, 0);
  assert.match(text, /error: what was downloaded is not the Windlass of this template/);
  assert.deepEqual((await it.gitlab.kept()).requests, []);
});

// Says what it is given, and how long what comes after a cancellation may take, and writes what it is asked to write.
const SAYS = `#!/bin/sh
for argument in "$@"; do
  printf "<%s>\\n" "$argument"
  [ "$before" != --output ] || : >"$argument"
  before=$argument
done
echo "as long as $RUNNER_AFTER_SCRIPT_TIMEOUT"
[ ! -e ran ] || echo IT RAN
`;

/** The template as GitLab reads it: the inputs are put into its text, and only then it is YAML. */
function interpolated(inputs, sha256) {
  const [spec, text] = readTemplate(sha256).split("\n---\n");
  const standard = (name) => new RegExp(`^ {4}${name}:\n(?: {6}.*\n)*? {6}default: (.*)$`, "m").exec(spec)[1].replace(/^""$/, "");
  return `stages: [test, deploy]\n${text.replaceAll(/\$\[\[ inputs\.([\w-]+) \]\]/g, (_, name) => inputs[name] ?? standard(name))}`;
}

test("an input is text to the shell, whatever is in it", async (test) => {
  const nasty = ` a b"c'; touch ran; \`touch ran\` $(touch ran) && touch ran # - : \\ {} $[[ inputs.binary ]] \${{ x }} on $CI_COMMIT_REF_NAME`;
  const inputs = { environment: "a $(touch ran) 'b'", version: nasty, config: nasty, binary: "./says" };
  // GitLab fills in its own variables, and nothing else.
  const expected = nasty.replace("$CI_COMMIT_REF_NAME", "main");
  const it = await makeProject(test, interpolated(inputs), { "deploy.toml": COMPONENTS, says: SAYS });
  execFileSync("chmod", ["+x", "says"], { cwd: it.directory });
  const job = `plan  for ${inputs.environment}`;
  for (const by of ["GitLab", "gitlab-ci-local"]) {
    if (by === "gitlab-ci-local") it.use([inputs]);
    const { text } = await it.happen([job]);
    assert.equal(text.split(`<${expected}>`).length - 1, 2, `${by}\n${text}`);
    assert.equal(text.split(`<${inputs.environment}>`).length - 1, 1, `${by}\n${text}`);
    assert.match(text, /as long as 30m$/m);
    assert.doesNotMatch(text, /IT RAN/);
  }
  // What would be more than one line of that text never gets so far.
  for (const [name, value] of [["version", "1\n2"], ["config", "a\r"], ["environment", 'a"b'], ["stage", "a\nb"], ["component", "a\\"]]) {
    it.use([{ ...inputs, [name]: value }]);
    const { code, text } = await it.happen([]);
    assert.notEqual(code, 0);
    assert.match(text, new RegExp(`\`${name}\` input: \`[^]*does not match required regex`));
  }
});

// A component each, without anything to build.
const COMPONENTS = `schema = 1
app = "shop"

[environments.staging]
url = "https://staging.shop.example"

[[step]]
id = "backend"
plugin = "command"
component = "backend"
with = { run = ["sh", "-c", "echo \${deployment.version} >>backend.txt"], revert = ["rm", "backend.txt"] }

[[step]]
id = "frontend"
plugin = "command"
component = "frontend"
with = { run = ["sh", "-c", "echo \${deployment.version} >>frontend.txt"], revert = ["rm", "frontend.txt"] }
`;

test("each component has a release, a lease and a history of its own", async (test) => {
  const it = await makeProject(test, "components.yml", { "deploy.toml": COMPONENTS, ".gitignore": ".windlass/\n*.txt\nwindlass-*\n" });
  for (const [component, job] of [["backend", 9001], ["frontend", 9002], ["backend", 9003]]) {
    const id = await it.makeDeployment("staging", job);
    const { code, text } = await it.happen([`deploy ${component} to staging`], { job });
    assert.equal(code, 0, text);
    await it.gitlab.tell(["end", id, String(job), "success"]);
  }
  const released = it.journals().map(([{ subject }]) => subject.component);
  assert.deepEqual(released, ["backend", "frontend", "backend"]);
  const lines = (name) => readFileSync(path.join(it.directory, `${name}.txt`), "utf8").trim().split("\n").length;
  assert.deepEqual([lines("backend"), lines("frontend")], [2, 1]);
  const leases = readdirSync(path.join(it.directory, ".windlass/leases")).filter((name) => name.endsWith(".json")).sort();
  assert.deepEqual(leases, ["shop+staging+backend.json", "shop+staging+frontend.json"]);
  assert.deepEqual((await it.gitlab.kept()).deployments.map(({ status }) => status), ["success", "success", "success"]);

  // Whoever starts it by hand says where to, what stays, and what was looked at.
  for (const [variable, said] of [["WINDLASS_TO", "no-such run"], ["WINDLASS_KEEP", "no-such step"], ["WINDLASS_RECORDED", "no-such step"]]) {
    const refused = await it.happen(["roll back backend in staging"], { needs: false, job: 9004, variables: { [variable]: said } });
    assert.ok(refused.text.includes(`\`${said}\``), refused.text);
  }

  // Back goes the one, and the other stays.
  await it.makeDeployment("staging", 9004);
  const back = await it.happen(["roll back frontend in staging"], { needs: false, job: 9004 });
  assert.equal(back.code, 0, back.text);
  assert.deepEqual([lines("backend"), existsSync(path.join(it.directory, "frontend.txt"))], [2, false], back.text);
});

// A pipeline with jobs of the project's own, and a deployment of what they built.
const BUILT = `schema = 1
app = "shop"

[environments.staging]
url = "https://staging.shop.example"

[[step]]
id = "release"
plugin = "command"
with = { run = ["cp", "dist/app", "live"], revert = ["rm", "live"] }
`;
const OWN = `stages: [build, test, deploy]

build:
  stage: build
  script: [mkdir -p dist, echo built >dist/app]
  artifacts: { paths: [dist] }

unit-tests:
  stage: test
  script: ["test ! -e broken"]

`;

test("what the project built is deployed, once its own tests went well, and not before", async (test) => {
  const it = await makeProject(test, "deploy.yml", { "deploy.toml": BUILT, ".gitignore": ".windlass/\ndist/\nlive\nwindlass-*\n", broken: "" });
  it.use([{ environment: "staging", binary: built("windlass") }]);
  put(it.directory, ".gitlab-ci.yml", OWN + readFileSync(path.join(it.directory, ".gitlab-ci.yml"), "utf8"));
  await it.makeDeployment("staging");
  const failed = await it.happen([]);
  assert.notEqual(failed.code, 0, failed.text);
  assert.match(failed.text, /FAIL.* unit-tests/);
  assert.ok(!existsSync(path.join(it.directory, "live")), failed.text);
  assert.deepEqual(it.journals(), []);

  it.git("rm", "--quiet", "broken");
  it.commit("Mend it");
  await it.makeDeployment("staging", 9002);
  const deployed = await it.happen([], { job: 9002 });
  assert.equal(deployed.code, 0, deployed.text);
  assert.equal(readFileSync(path.join(it.directory, "live"), "utf8"), "built\n");
});

test("two plans of one stage are two files, and each deployment does its own", async (test) => {
  const it = await makeProject(test, "components.yml", { "deploy.toml": COMPONENTS, ".gitignore": ".windlass/\n*.txt\nwindlass-*\n" });
  await it.makeDeployment("staging");
  const { code, text } = await it.happen([]);
  assert.equal(code, 0, text);
  assert.deepEqual(it.journals().map(([{ subject }]) => subject.component).sort(), ["backend", "frontend"]);
  assert.deepEqual(readdirSync(path.join(it.directory, "windlass-plans")).sort(), ["backend+staging.json", "frontend+staging.json"]);
});

const REVIEW = `schema = 1
app = "shop"

[environments.review]
transient = true
unprotected_branches = true
name = "review/*"
url = "https://\${environment.instance}.review.shop.example"

[[step]]
id = "release"
plugin = "command"
with = { run = ["sh", "-c", "echo \${environment.instance} >app.txt"], revert = ["rm", "app.txt"] }
`;

test("a merge request has an environment, until it is stopped", async (test) => {
  const it = await makeProject(test, "review.yml", { "deploy.toml": REVIEW });
  const pipeline = "a merge request";
  await it.makeDeployment("review/17");
  const deployed = await it.happen(["deploy  to review/$CI_MERGE_REQUEST_IID"], { pipeline });
  assert.equal(deployed.code, 0, deployed.text);
  assert.equal(readFileSync(path.join(it.directory, "app.txt"), "utf8"), "17\n");
  assert.deepEqual((await it.gitlab.kept()).environments, { "review/17": "available" });

  const stopped = await it.happen(["stop  in review/$CI_MERGE_REQUEST_IID"], { pipeline, needs: false, job: 9002 });
  assert.equal(stopped.code, 0, stopped.text);
  assert.deepEqual((await it.gitlab.kept()).environments, { "review/17": "stopped" });

  // In a scheduled pipeline there is no merge request: what is dead is looked for everywhere.
  const reaped = await it.happen([], { pipeline: "a schedule", job: 9003 });
  assert.equal(reaped.code, 0, reaped.text);
  assert.match(reaped.text, /nothing was left open/);
});

test("what a fork's pipeline lacks is said: without the token that may, there is a plan; and no deployment, nor a secret for it", async (test) => {
  const secret = REVIEW.replace("[environments.review]\n", "[environments.review]\ncomment = true\n").replace("with = {", 'with = { secrets = { KEY = { secret = "DEPLOY_KEY" } },');
  const it = await makeProject(test, "review.yml", { "deploy.toml": secret });
  const fork = { pipeline: "a merge request", variables: { CI_MERGE_REQUEST_SOURCE_PROJECT_ID: "43" } };
  const planned = await it.happen(["plan  for review/$CI_MERGE_REQUEST_IID"], fork);
  assert.equal(planned.code, 0, planned.text);
  assert.match(planned.text, /warning: .*comment[^]*GITLAB_TOKEN/);

  await it.makeDeployment("review/17", 9002);
  const deployed = await it.happen(["deploy  to review/$CI_MERGE_REQUEST_IID"], { ...fork, needs: false, job: 9002 });
  assert.notEqual(deployed.code, 0, deployed.text);
  assert.match(deployed.text, /error: nothing is deployed to `review\/17` from here[^]*a pull request from a fork/);
  assert.match(deployed.text, /FAIL.* 21\b/);
  assert.ok(!existsSync(path.join(it.directory, "app.txt")), deployed.text);
});

/** A job that deploys, and what is done with its processes once the second step waits. */
async function cutOff(it, what) {
  let cut = false;
  return it.happen(["deploy  to staging"], {
    whenSaid: (text, child) => {
      if (cut || !/^.*> \W*begun to wait\W*$/m.test(text)) return;
      cut = true;
      what(child);
    },
  });
}

for (const [onCancel, left] of [["stop", "released\n"], ["rollback", "released\nback\n"]]) {
  test(`a cancelled job ends at once, and what is left then is left as \`on_cancel = "${onCancel}"\` says`, async (test) => {
    const it = await makeProject(test, "deploy.yml", { "deploy.toml": SLOW.replace("ON_CANCEL", onCancel) });
    await it.makeDeployment("staging");
    // GitLab's runner ends the script and all below it, and begins the second script then. The first of these is what
    // gitlab-ci-local has the script's end from.
    const ended = await cutOff(it, (child) => {
      for (const one of processesBelow(child.pid).slice(0, -1)) signal(one, "SIGTERM");
    });
    assert.notEqual(ended.code, 0, ended.text);
    assert.equal(readFileSync(path.join(it.directory, "what.txt"), "utf8"), left, ended.text);
    assert.match(ended.text, /Running after script/);
    const leases = JSON.parse(readFileSync(path.join(it.directory, ".windlass/leases/shop+staging.json"), "utf8"));
    assert.equal(leases.holder, null);
  });
}

test("what a dead runner left is closed by a scheduled pipeline, on another one", async (test) => {
  const it = await makeProject(test, "deploy.yml", { "deploy.toml": SLOW.replace("ON_CANCEL", "stop") });
  const deployment = await it.makeDeployment("staging");
  const dead = await cutOff(it, (child) => {
    for (const one of [...processesBelow(child.pid), child.pid]) signal(one, "SIGKILL");
  });
  assert.equal(dead.code, null, dead.text);
  // GitLab sees in the end that nobody is there, and the disk went with the runner.
  await it.gitlab.tell(["end", deployment, "9001", "failed"]);
  rmSync(path.join(it.directory, ".windlass"), { recursive: true });
  const reaped = await it.happen([], { pipeline: "a schedule", job: 9002 });
  assert.equal(reaped.code, 0, reaped.text);
  const [run] = it.journals();
  assert.ok(run.some(({ event }) => event === "run-reaped"), JSON.stringify(run.at(-1)));
  const again = await it.happen([], { pipeline: "a schedule", job: 9003 });
  assert.match(again.text, /nothing was left open/);
});

test("each pipeline has the jobs that it is for", slow, async (test) => {
  const it = await makeProject(test, "deploy.yml", { "deploy.toml": COMPONENTS });
  const of = (name, { plan = true, deploy, back, stop, reap } = {}, component = "") =>
    Object.fromEntries(Object.entries({
      [`plan ${component} for ${name}`]: plan && "on_success", [`deploy ${component} to ${name}`]: deploy,
      [`roll back ${component} in ${name}`]: back && "manual", [`stop ${component} in ${name}`]: stop && "manual",
      [`reap ${component} in ${name}`]: reap && "on_success",
    }).filter(([, when]) => when));
  const [deploys, reaps, merges] = [{ deploy: "on_success", back: true }, { plan: false, reap: true }, { deploy: "on_success", stop: true }];
  const byHand = { deploy: "manual", back: true, stop: true };
  const all = (job, names) => Object.assign({}, ...names.map((name) => (Array.isArray(name) ? of(name[0], job, name[1]) : of(name, job))));
  const review = "review/$CI_MERGE_REQUEST_IID";
  const parts = [["staging", "backend"], ["staging", "frontend"]];
  const [branch, tag, request, schedule] = ["the default branch", "a tag", "a merge request", "a schedule"];
  // What there is in each kind of pipeline: a ready one, or the template with these inputs. There is nothing in the others.
  const table = [
    ["deploy.yml", { [branch]: of("staging", deploys), [request]: of("staging"), [schedule]: of("staging", reaps) }],
    ["components.yml", { [branch]: all(deploys, parts), [request]: all({}, parts), [schedule]: all(reaps, parts) }],
    ["promote.yml", { [branch]: all(deploys, ["staging", "production"]), [request]: of("staging"), [schedule]: all(reaps, ["staging", "production"]) }],
    ["review.yml", { [request]: of(review, merges), [schedule]: of(review, reaps) }],
    [[{ environment: "a" }, { environment: "b", when: "manual", transient: true }, { environment: "c", pipelines: "tag", "plan-merge-requests": false }], {
      [branch]: { ...of("a", deploys), ...of("b", byHand) }, [tag]: { ...of("a", deploys), ...of("b", byHand), ...of("c", deploys) },
      [request]: all({}, ["a", "b"]), [schedule]: all(reaps, ["a", "b", "c"]),
    }],
  ];
  for (const [pipeline, expected] of table) {
    it.use(pipeline);
    const found = await Promise.all(Object.keys(PIPELINES).map(async (one) => [one, await it.jobs(one)]));
    assert.deepEqual(Object.fromEntries(found.filter(([, jobs]) => Object.keys(jobs).length > 0)), expected, JSON.stringify(pipeline));
  }
});

test("the template is the same as a local file, from an address, of a project and as a component", slow, async (test) => {
  const it = await makeProject(test, "deploy.yml", { "deploy.toml": SLOW.replace("ON_CANCEL", "stop"), "ci/windlass.yml": readTemplate() });
  const server = await serve(test, { "/windlass.yml": readTemplate() });
  const forms = {
    local: "local: ci/windlass.yml",
    remote: `remote: ${server.url}/windlass.yml`,
    project: undefined,
    component: `component: $CI_SERVER_FQDN/acme/windlass/deploy@${it.template.commit}`,
  };
  for (const [form, include] of Object.entries(forms)) {
    it.use([{ environment: "staging", binary: built("windlass") }], include);
    const { code, text } = await it.happen(["plan  for staging"]);
    assert.equal(code, 0, `${form}\n${text}`);
    assert.deepEqual(Object.keys(await it.jobs("the default branch")), ["plan  for staging", "deploy  to staging", "roll back  in staging"], form);
  }
  assert.deepEqual(server.asked, ["/windlass.yml"]);
});
