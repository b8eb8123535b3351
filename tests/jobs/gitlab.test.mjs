// The template and the ready pipelines as GitLab runs them: under gitlab-ci-local, with its shell, in a repository of its own,
// against a GitLab on loopback. What is deployed is the example application. Run with: node --test tests/jobs/gitlab.test.mjs
//
// Needs `cargo build --package windlass` and `cargo build --package e2e --bin fake`, git, rsync, curl and xz; gitlab-ci-local and
// the node that it needs come from npm.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { startForge } from "./forge.mjs";
import { gitlabCiLocal, readPipeline, readTemplate } from "./gitlab-ci-local.mjs";
import { ROOT, built, freePort, makeRepository, makeScratch, run, serve, shop } from "./workplace.mjs";

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

/** The example application in a repository with one of the ready pipelines, and everything around it. */
async function makeShop(test, pipeline, { edit = (config) => config, inputs = {}, sha256 } = {}) {
  const gitlab = await startForge("gitlab");
  const scratch = makeScratch(test, async () => {
    await gitlab.stop();
    execFileSync("./stop", { cwd: path.join(scratch, "shop") });
  });
  const ports = [await freePort(), await freePort()];
  const files = shop();
  const config = readFileSync(path.join(ROOT, "examples/shop/deploy.toml"), "utf8");
  files["deploy.toml"] = edit(config.replaceAll("18431", ports[0]).replaceAll("18432", ports[1]));

  // A release of the template, whose archive is on a mirror.
  const bytes = archive(scratch);
  const mirror = await serve(test, { "/v0.1.0/windlass-0.1.0-linux-x64.tar.xz": bytes, "/v0.1.0/windlass-0.1.0-linux-arm64.tar.xz": bytes });
  sha256 ??= createHash("sha256").update(bytes).digest("hex");
  files["template.yml"] = readTemplate(sha256);
  files[".gitlab-ci.yml"] = readPipeline(pipeline, { releases: mirror.url, ...inputs });
  // The tool takes what the repository ignores for rubbish, and copies the rest.
  const repository = makeRepository(path.join(scratch, "shop"), files, { remote: "https://gitlab.com/acme/shop.git" });
  repository.commit("Shop");
  repository.git("update-ref", "refs/remotes/origin/main", "HEAD");
  repository.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main");

  /** Jobs of one pipeline, with those that they need. */
  const happen = async (jobs, { needs = true } = {}) => {
    const commit = repository.git("rev-parse", "HEAD");
    const given = { ...gitlab.variables, GITLAB_CI: "true", CI_COMMIT_SHA: commit };
    const [node, program] = gitlabCiLocal();
    const args = [program, "--force-shell-executor", "--no-shell-isolation"];
    if (needs) args.push("--needs");
    for (const [name, value] of Object.entries(given)) args.push("--variable", `${name}=${value}`);
    const ended = await run(node, [...args, ...jobs], { cwd: repository.directory, env: repository.env });
    const { mistakes } = await gitlab.kept();
    assert.deepEqual(mistakes, [], `what GitLab was told is not what it takes\n${ended.text}`);
    return ended;
  };
  return { ...repository, scratch, ports, gitlab, happen, mirror };
}

const health = async (port) => (await fetch(`http://127.0.0.1:${port}/health`)).json();

test("what is merged is deployed as planned, by a binary that was fetched and checked, and what fails is taken back", async (test) => {
  const it = await makeShop(test, "deploy.yml");
  // GitLab makes the deployment of a job that has an environment.
  await it.gitlab.tell(["deployment", it.git("rev-parse", "HEAD"), "staging"]);
  const first = await it.happen(["deploy  to staging"]);
  assert.equal(first.code, 0, first.text);
  assert.equal((await health(it.ports[0])).version, "1.0.0");
  // One for each job.
  assert.deepEqual(new Set(it.mirror.asked).size, 1);

  execFileSync("./bin/second-version", ["--broken"], { cwd: it.directory, env: it.env });
  it.commit("Add reviews");
  await it.gitlab.tell(["deployment", it.git("rev-parse", "HEAD"), "staging"]);
  const second = await it.happen(["deploy  to staging"]);
  assert.notEqual(second.code, 0, second.text);
  assert.match(second.text, /exit 10: |exit(ed)? (code|with code|status) 10/);
  assert.equal((await health(it.ports[0])).version, "1.0.0");
});

test("what the template's release does not name is neither kept nor run", async (test) => {
  const it = await makeShop(test, "deploy.yml", { sha256: "0".repeat(64) });
  const { code, text } = await it.happen(["plan  for staging"]);
  assert.notEqual(code, 0);
  assert.match(text, /error: what was downloaded is not the Windlass of this template/);
  assert.deepEqual((await it.gitlab.kept()).requests, []);
});

test("an input is text to the shell, whatever is in it", async (test) => {
  const nasty = `a b"c'; touch ran; \`touch ran\` $(touch ran) && touch ran`;
  const it = await makeShop(test, "deploy.yml", { inputs: { version: nasty, config: nasty, binary: "./says" } });
  const says = '#!/bin/sh\nfor argument in "$@"; do printf "<%s>\\n" "$argument"; done\n[ ! -e ran ] || echo IT RAN\n';
  writeFileSync(path.join(it.directory, "says"), says, { mode: 0o755 });
  it.git("add", "says");
  it.git("commit", "--quiet", "--message=A program that says what it is given");
  const { text } = await it.happen(["plan  for staging"]);
  assert.equal(text.split(`<${nasty}>`).length - 1, 2, text);
  assert.doesNotMatch(text, /IT RAN/);
});

test("one approval, bound to the plan that was shown, lets production be deployed", async (test) => {
  const edit = (config) => config.replace('after = ["staging"]\n', 'approval = { required = 1 }\n');
  const it = await makeShop(test, "promote.yml", { edit });
  const commit = it.git("rev-parse", "HEAD");
  await it.gitlab.tell(["deployment", commit, "staging"]);
  const { deployments } = await it.gitlab.tell(["deployment", commit, "production", "grace"]);
  const planned = await it.happen(["plan  for production"]);
  assert.equal(planned.code, 0, planned.text);

  await it.gitlab.tell(["say", String(deployments.find(({ status }) => status === "blocked").id), "grace", "approved"]);
  // What the first job handed on is there: it is not run again.
  const deployed = await it.happen(["deploy  to production"], { needs: false });
  assert.equal(deployed.code, 0, deployed.text);
  assert.equal((await health(it.ports[1])).version, "1.0.0");
});
