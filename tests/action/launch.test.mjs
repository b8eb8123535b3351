// The launcher: its parts, and the whole of it with a fake binary. Run with: node --test tests/action/

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { LastLine, argumentsOf, binaryOf, environmentOf, outputsOf, readInputs, resultOf, written } from "../../action/launch.mjs";
import { startGitHub } from "./github.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const MAIN = path.join(here, "..", "..", "action", "main.mjs");
const FAKE = path.join(here, "fake-windlass.mjs");
const TOKEN = "ghs_0123456789abcdef";

/** The action's entry, as the runner starts it. */
function start(inputs, variables = {}) {
  const directory = mkdtempSync(path.join(tmpdir(), "windlass-action-"));
  const output = path.join(directory, "output");
  writeFileSync(output, "");
  const named = Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
  const env = { PATH: process.env.PATH, GITHUB_OUTPUT: output, GITHUB_WORKSPACE: here, ...Object.fromEntries(named), ...variables };
  const child = spawn(process.execPath, [MAIN], { env, stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) child[name].setEncoding("utf8").on("data", (text) => (said[name] += text));
  const ended = new Promise((resolve) => {
    child.once("close", (code) => {
      const outputs = parse(readFileSync(output, "utf8"));
      rmSync(directory, { recursive: true });
      resolve({ code, outputs, ...said });
    });
  });
  return { child, ended };
}

/** Outputs as the runner reads them. */
function parse(text) {
  const outputs = {};
  const lines = text.split("\n");
  while (lines.length > 1) {
    const [name, delimiter] = lines.shift().split("<<");
    const end = lines.indexOf(delimiter);
    outputs[name] = lines.splice(0, end + 1).slice(0, -1).join("\n");
  }
  return outputs;
}

test("every input is one argument, whatever is in it", () => {
  const nasty = `a b"c'$(touch x);\`y\`\n--force`;
  const inputs = readInputs({ INPUT_COMMAND: "", INPUT_CONFIG: nasty, INPUT_ENVIRONMENT: "-e", INPUT_VERSION: "1.2.3", INPUT_ARGS: " --force \r\n\n--log=a b" });
  assert.deepEqual(argumentsOf(inputs), [
    "run", `--config=${nasty}`, "--environment=-e", "--release-version=1.2.3", "--forge=github", "--format=json", "--force", "--log=a b",
  ]);
});

test("a binary by path is relative to the workspace", () => {
  assert.equal(binaryOf({}, {}), "windlass");
  assert.equal(binaryOf({ binary: "bin/windlass" }, { GITHUB_WORKSPACE: "/w" }), path.resolve("/w/bin/windlass"));
  assert.equal(binaryOf({ binary: path.resolve("/x") }, { GITHUB_WORKSPACE: "/w" }), path.resolve("/x"));
});

test("the binary gets the token once and no inputs", () => {
  const environment = environmentOf({ token: TOKEN }, { INPUT_TOKEN: TOKEN, input_other: "x", A: "b", GITHUB_TOKEN: "other" });
  assert.deepEqual(environment, { A: "b", GITHUB_TOKEN: TOKEN });
  assert.deepEqual(environmentOf({}, { GITHUB_TOKEN: "other" }), { GITHUB_TOKEN: "other" });
});

test("only a result is a result", () => {
  for (const line of ["", "text", "null", "[]", "{}", '{"schema":"windlass.result/2"}']) assert.equal(resultOf(line), undefined, line);
  const result = resultOf('{"schema":"windlass.result/1","outcome":"failed","run":"r","plan":"p","deployment":{"id":"7","url":null}}');
  const outputs = { outcome: "failed", run: "r", "plan-digest": "p", "deployment-id": "7", "environment-url": "", "exit-code": "13" };
  assert.deepEqual(outputsOf(result, 13), outputs);
});

test("no value of an output can end itself", () => {
  const outputs = { run: "a\nEOF\noutcome<<x\nevil\nx", outcome: "" };
  assert.deepEqual(parse(written(outputs)), outputs);
});

test("the last line is found in any pieces, and one without end costs no memory", () => {
  const last = (...chunks) => {
    const lines = new LastLine();
    for (const chunk of chunks) lines.push(Buffer.from(chunk));
    return lines.end();
  };
  assert.equal(last("a\nb", "c\n", "\n\r\n"), "bc");
  assert.equal(last("a\nb"), "b");
  const umlaut = Buffer.from("ü\n");
  assert.equal(last(umlaut.subarray(0, 1), umlaut.subarray(1)), "ü");
  assert.equal(last(...Array(9).fill("x".repeat(1024 * 1024)), "y"), "(too long)");
});

test("a run: deployment, statuses, outputs, exit code", async () => {
  for (const [mode, code, outcome, state] of [["succeed", 0, "succeeded", "success"], ["fail", 13, "failed", "failure"]]) {
    const github = await startGitHub();
    const { GITHUB_TOKEN: token, ...job } = github.variables;
    const ended = await start({ binary: "fake-windlass.mjs", environment: "staging", token }, { ...job, FAKE: mode }).ended;
    const { deployments, mistakes } = await github.stop();
    assert.deepEqual(mistakes, []);
    assert.equal(ended.code, code, ended.stderr);
    assert.deepEqual(deployments.map((deployment) => deployment.statuses.map((status) => status.state)), [["in_progress", state]]);
    assert.deepEqual(ended.outputs, {
      outcome, run: "01fake", "plan-digest": "sha256:fa4e", "deployment-id": String(deployments[0].id),
      "environment-url": "https://staging.shop.example", "exit-code": String(code),
    });
    assert.match(ended.stdout, /a line that is not the result\n\{/);
    assert.match(ended.stderr, /"run","--environment=staging","--forge=github","--format=json"/);
  }
});

test("without a result the outputs are empty and the exit code is its own", async () => {
  const ended = await start({ binary: FAKE, command: "check" }, { FAKE: "plain" }).ended;
  assert.deepEqual([ended.code, ended.outputs.outcome, ended.outputs["exit-code"]], [0, "", "0"]);
});

test("a signal reaches the binary, and its last word is waited for", async () => {
  for (const signal of ["SIGINT", "SIGTERM"]) {
    const { child, ended } = start({ binary: FAKE }, { FAKE: "wait" });
    child.stdout.once("data", () => child.kill(signal));
    const { code, outputs, stderr } = await ended;
    assert.deepEqual([code, outputs.outcome, outputs["exit-code"]], [12, "cancelled", "12"]);
    assert.match(stderr, new RegExp(`fake: ${signal}`));
  }
});

test("a binary that is not there is said to be not there", async () => {
  const { code, stderr, outputs } = await start({ binary: "no-such-binary" }).ended;
  assert.deepEqual([code, outputs["exit-code"]], [2, "2"]);
  assert.match(stderr, /^error: `.*no-such-binary` cannot be started\n {2}Caused by: spawn .* ENOENT\nnote: nothing was run\nhint: set `binary`/);
});
