// The launcher: its parts, and the whole of it with a stand-in for the binary, as the node runs it that GitHub runs it with. Run with:
// node --test tests/jobs/launch.test.mjs
//
// Needs `cargo build --package windlass`, which says what its exit codes are.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, get } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { node24 } from "./node.mjs";
import { built, valuesOf } from "./workplace.mjs";
import { SETTLED, argumentsOf, environmentOf, isTrue, readInputs, written } from "../../action/launch.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const ACTION = path.join(here, "..", "..", "action");
const FAKE = path.join(here, "fake-windlass.mjs");
const PACKED = brotliCompressSync(readFileSync(FAKE));
const NAME = `${{ win32: "windows", darwin: "macos" }[process.platform] ?? process.platform}-${process.arch}`;

/** A checkout of the action that belongs to a release whose archive for this machine has that digest, and an empty runner. */
function makeRunner({ archive = PACKED, archives } = {}) {
  const directory = mkdtempSync(path.join(tmpdir(), "windlass-action-"));
  const action = path.join(directory, "action");
  const tools = path.join(directory, "tools");
  cpSync(ACTION, action, { recursive: true });
  const sha256 = createHash("sha256").update(archive).digest("hex");
  archives ??= { [NAME]: { file: `windlass-${NAME}.br`, sha256 } };
  const release = { version: "9.8.7", url: "http://127.0.0.1:1/nowhere", archives };
  writeFileSync(path.join(action, "release.json"), JSON.stringify(release));
  const kept = path.join(tools, "windlass", `9.8.7-${sha256.slice(0, 16)}`);

  /** The action's entry, as the runner starts it. */
  const start = (inputs, { entry = "main.mjs", ...variables } = {}) => {
    const files = Object.fromEntries(["GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"].map((name) => [name, path.join(directory, name)]));
    for (const file of Object.values(files)) writeFileSync(file, "");
    const named = Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
    const env = {
      PATH: process.env.PATH, GITHUB_WORKSPACE: here, RUNNER_TOOL_CACHE: tools, ...files,
      ...Object.fromEntries(named), ...variables,
    };
    const child = spawn(node24(), [path.join(action, entry)], { env, stdio: ["ignore", "pipe", "pipe"] });
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"]) child[name].setEncoding("utf8").on("data", (text) => (said[name] += text));
    const ended = new Promise((resolve) => {
      child.once("close", (code) => {
        const read = (name) => valuesOf(readFileSync(files[name], "utf8"));
        resolve({ code, outputs: read("GITHUB_OUTPUT"), state: read("GITHUB_STATE"), summary: readFileSync(files.GITHUB_STEP_SUMMARY, "utf8"), ...said });
      });
    });
    return { child, ended };
  };
  return { start, kept, remove: () => rmSync(directory, { recursive: true }) };
}

/** Runs what needs a runner, and clears up. */
async function withRunner(options, work) {
  const runner = makeRunner(options);
  try {
    await work(runner);
  } finally {
    runner.remove();
  }
}

// As many as ask at the same time.
const JOBS = 8;

/**
 * A copy of the releases on loopback, which answers as the list says, one after the other, or some `together`, and remembers what it
 * was asked, and what it was said to be let in.
 */
async function withMirror(answers, work) {
  const [asked, said] = [[], []];
  const waiting = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    said.push(request.headers.authorization);
    const { status = 200, body = "", headers = {}, together = 1 } = answers[Math.min(asked.length, answers.length) - 1];
    waiting.push(() => response.writeHead(status, headers).end(body));
    if (waiting.length === together) for (const answer of waiting.splice(0)) answer();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await work(`http://127.0.0.1:${server.address().port}/releases/`, asked, said);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** What the stand-in was started with. */
const started = ({ stdout }) => JSON.parse(stdout.split("\n").find((line) => line.startsWith("{")));

const NASTY = `a b"c'$(touch x);\`y\`\${{ github.token }}\n--force`;

test("every input is one argument, whatever is in it", () => {
  const inputs = readInputs({
    INPUT_COMMAND: "", INPUT_CONFIG: NASTY, INPUT_ENVIRONMENT: "-e", INPUT_COMPONENT: "; rm -rf /", INPUT_VERSION: "1.2.3",
    INPUT_PLAN: NASTY, INPUT_ARGS: " --force \r\n\n--log=a b\n$(id)",
  });
  assert.deepEqual(argumentsOf(inputs), [
    "run", `--config=${NASTY}`, "--environment=-e", "--component=; rm -rf /", "--release-version=1.2.3", `--plan=${NASTY}`,
    "--forge=github", "--force", "--log=a b", "$(id)",
  ]);
});

test("a plan is read by `run`, and kept by `plan`; a run is gone back to", () => {
  assert.deepEqual(argumentsOf({ command: "plan", plan: "p.json" }), ["plan", "--output=p.json", "--forge=github"]);
  assert.deepEqual(argumentsOf({ command: "rollback", to: NASTY }), ["rollback", `--to=${NASTY}`, "--forge=github"]);
  assert.deepEqual(argumentsOf({ command: "environment stop", args: "review/1" }), ["environment", "stop", "--forge=github", "review/1"]);
});

test("a command is one or two words, and nothing that carries arguments", () => {
  for (const command of ["run --force", "--version", "Run", "run;id", "a b c", NASTY]) {
    assert.throws(() => argumentsOf({ command }), /is not a command of Windlass/, command);
  }
});

test("the binary gets the token once, none of the step's inputs and no state of it", () => {
  const token = "ghs_0123456789abcdef";
  // What the job itself has under such a name is for the deployment.
  const own = { A: "b", STATE_BUCKET: "shop", INPUT_DIR: "in", STATE_code_page: "437" };
  const environment = environmentOf({ token }, { ...own, INPUT_TOKEN: token, INPUT_CONFIG: "x", STATE_binary: "x", STATE_code: "0", GITHUB_TOKEN: "other" });
  assert.deepEqual(environment, { ...own, GITHUB_TOKEN: token });
  assert.deepEqual(environmentOf({}, { GITHUB_TOKEN: "other" }), { GITHUB_TOKEN: "other" });
});

test("no value can end itself", () => {
  const values = { run: "a\nEOF\noutcome<<x\nevil\nx", outcome: "", url: "a<<EOF", reason: "b=c<<d" };
  assert.deepEqual(valuesOf(written(values)), values);
});

test("a binary by path is run with the inputs, and its exit code is the step's", () =>
  withRunner({}, async ({ start }) => {
    for (const code of [0, 10, 14, 70]) {
      const inputs = { binary: "./fake-windlass.mjs", environment: NASTY, token: "ghs_0123456789abcdef" };
      const ended = await start(inputs, { FAKE: String(code) }).ended;
      assert.deepEqual([ended.code, ended.outputs, ended.state], [code, { "exit-code": String(code) }, { binary: FAKE, code: String(code) }]);
      const expected = { args: ["run", `--environment=${NASTY}`, "--forge=github"], token: "ghs_0123456789abcdef", inputs: [] };
      assert.deepEqual(started(ended), expected);
      assert.equal(ended.stderr, "");
    }
  }));

test("a command that changes nothing leaves nothing to finish", () =>
  withRunner({}, async ({ start }) => {
    const { state } = await start({ binary: FAKE, command: "check" }, { FAKE: "0" }).ended;
    assert.deepEqual(state, { code: "0" });
  }));

test("a signal reaches the binary, and its last word is waited for", { skip: process.platform === "win32" && "Windows has no signals" }, () =>
  withRunner({}, async ({ start }) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
      const { child, ended } = start({ binary: FAKE }, { FAKE: "wait" });
      const asked = (part) => {
        if (!part.includes("fake: waiting")) return;
        child.stdout.off("data", asked);
        child.kill(signal);
      };
      child.stdout.on("data", asked);
      const { code, stdout, state } = await ended;
      assert.deepEqual([code, state.code], [12, "12"]);
      assert.match(stdout, new RegExp(`fake: ${signal}`));
    }
  }));

test("a binary that a signal ended has the code that a shell would give it", { skip: process.platform === "win32" && "Windows has no signals" }, () =>
  withRunner({}, async ({ start }) => {
    const { code, state } = await start({ binary: FAKE }, { FAKE: "killed" }).ended;
    assert.deepEqual([code, state], [137, { binary: FAKE, code: "137" }]);
  }));

test("a binary that is not there is said to be not there", () =>
  withRunner({}, async ({ start }) => {
    const ended = await start({ binary: "./no-such-binary" }).ended;
    assert.deepEqual([ended.code, ended.outputs["exit-code"]], [2, "2"]);
    assert.match(ended.stderr, /^error: `.*no-such-binary` cannot be started\n {2}Caused by: spawn .* ENOENT\nnote: nothing was run\nhint: /);
    const { stdout, stderr } = await start({ binary: "./no-such-binary" }, { GITHUB_ACTIONS: "true" }).ended;
    assert.match(stdout, /^::error title=Windlass::`.*` cannot be started%0A {2}Caused by: .*%0Anote: nothing was run%0Ahint: .*\n$/);
    assert.equal(stderr, "");
  }));

test("a mistake that nothing was run for is told as the binary tells its own", () =>
  withRunner({}, async ({ start }) => {
    const mistakes = [{ binary: "./no-such-binary" }, { command: "run it now" }, { binary: FAKE, finish: "no" }];
    for (const inputs of mistakes) {
      const ended = await start(inputs, { GITHUB_ACTIONS: "true" }).ended;
      assert.deepEqual([ended.code, ended.outputs], [2, { outcome: "blocked", reason: "usage", "exit-code": "2" }]);
      assert.match(ended.summary, /^## ❌ Windlass was not run\n\n```text\nerror: .*\n {2}Caused by: .*\nnote: nothing was run\nhint: .*\n```\n\n$/);
      assert.equal(ended.state.code, "2", "nothing is left to finish");
    }
    const nasty = await start({ command: "````\n# mine" }).ended;
    assert.match(nasty.summary, /\n``````text\n/);
  }));

test("a name alone is looked up on the PATH, as on GitLab", () =>
  withRunner({}, async ({ start }) => {
    const ended = await start({ binary: path.basename(FAKE) }, { PATH: `${here}${path.delimiter}${process.env.PATH}` }).ended;
    assert.equal(ended.code, 0, ended.stderr);
    assert.deepEqual(started(ended).args, ["run", "--forge=github"]);
  }));

test("`finish` takes GitHub's words for yes and no, and no others", () => {
  for (const value of ["true", "True", "TRUE", undefined]) assert.equal(isTrue({ finish: value }, "finish", true), true);
  for (const value of ["false", "False", "FALSE"]) assert.equal(isTrue({ finish: value }, "finish", true), false);
  for (const value of ["no", "0", "tRUE", "off", NASTY]) assert.throws(() => isTrue({ finish: value }, "finish", true), /`finish` is neither true nor false/);
});

test("the forge that the arguments name is the one that is told", () => {
  for (const args of ["--forge\nlocal", "--forge=local"]) {
    assert.deepEqual(argumentsOf({ args }), ["run", ...args.split("\n")]);
  }
});

test("a missing binary is downloaded once, checked and kept", () =>
  withRunner({}, ({ start, kept }) =>
    withMirror([{ body: PACKED }], async (mirror, asked) => {
      for (const round of [1, 2]) {
        const ended = await start({ mirror, environment: NASTY }).ended;
        assert.equal(ended.code, 0, ended.stderr + ended.stdout);
        assert.deepEqual(started(ended).args, ["run", `--environment=${NASTY}`, "--forge=github"]);
        assert.deepEqual(asked, [`/releases/v9.8.7/windlass-${NAME}.br`], `round ${round}`);
      }
      assert.deepEqual(readdirSync(kept).sort(), [process.arch, `${process.arch}.complete`]);
    })));

test("several jobs of one machine that need the same binary at once all get it", () =>
  withRunner({}, ({ start, kept }) =>
    withMirror([{ body: PACKED, together: JOBS }], async (mirror, asked) => {
      // All of them have what they asked for at the same moment.
      for (let round = 0; round < 5; round += 1) {
        const all = await Promise.all(Array.from({ length: JOBS }, () => start({ mirror }).ended));
        assert.deepEqual(all.map(({ code }) => code), Array(JOBS).fill(0), all.map(({ stdout, stderr }) => stdout + stderr).join(""));
        assert.equal(asked.splice(0).length, JOBS);
        assert.deepEqual(readdirSync(kept).sort(), [process.arch, `${process.arch}.complete`]);
        assert.equal(readdirSync(path.join(kept, process.arch)).length, 1);
        rmSync(kept, { recursive: true });
      }
    })));

test("what another job of the machine has just put there and runs is not taken away from it", () =>
  withRunner({}, ({ start, kept }) =>
    withMirror([{ body: PACKED }], async (mirror) => {
      // It has not got to its mark yet, and a third one is in the middle of writing.
      const there = path.join(kept, process.arch);
      mkdirSync(there, { recursive: true });
      for (const name of ["windlass", "windlass.other"]) writeFileSync(path.join(there, name), readFileSync(FAKE), { mode: 0o755 });
      const before = statSync(there).ino;
      const { code, stdout, stderr } = await start({ mirror }).ended;
      assert.equal(code, 0, stdout + stderr);
      assert.deepEqual([statSync(there).ino, readdirSync(there).sort()], [before, ["windlass", "windlass.other"]]);
    })));

test("what a killed job left half done in the tool cache is not used", () =>
  withRunner({}, ({ start, kept }) =>
    withMirror([{ body: PACKED }], async (mirror, asked) => {
      mkdirSync(path.join(kept, process.arch), { recursive: true });
      writeFileSync(path.join(kept, process.arch, "windlass"), "half", { mode: 0o755 });
      const ended = await start({ mirror }).ended;
      assert.equal(ended.code, 0, ended.stderr);
      assert.equal(asked.length, 1);
    })));

test("what is not what the action's repository says is neither run nor kept", () =>
  withRunner({}, async ({ start, kept }) => {
    const evil = brotliCompressSync("#!/bin/sh\necho evil\n");
    for (const body of [evil, PACKED.subarray(0, 100), ""]) {
      await withMirror([{ body }], async (mirror) => {
        const ended = await start({ mirror }).ended;
        assert.deepEqual([ended.code, ended.outputs, ended.state], [2, { outcome: "blocked", reason: "usage", "exit-code": "2" }, { code: "2" }]);
        assert.match(ended.stderr, /^error: what was downloaded is not the Windlass that this action belongs to\n {2}Caused by: its SHA-256 is [0-9a-f]{64}, and the action's repository says [0-9a-f]{64} \(/);
        assert.match(ended.stderr, /\nnote: nothing of it was kept, and nothing was run\nhint: /);
        assert.doesNotMatch(ended.stdout, /evil/);
        assert.ok(!existsSync(kept));
      });
    }
  }));

test("a mirror that has a bad moment is asked again, one that says no is not", () =>
  withRunner({}, async ({ start, kept }) => {
    await withMirror([{ status: 503 }, { body: PACKED }], async (mirror, asked) => {
      const ended = await start({ mirror }).ended;
      assert.deepEqual([ended.code, asked.length], [0, 2], ended.stderr);
    });
    rmSync(kept, { recursive: true });
    await withMirror([{ status: 404 }], async (mirror, asked) => {
      const ended = await start({ mirror }).ended;
      assert.deepEqual([ended.code, asked.length], [2, 1]);
      assert.match(ended.stderr, /^error: Windlass cannot be downloaded\n {2}Caused by: http.*\.br answers 404 Not Found\nnote: nothing was run\nhint: .*`mirror`/);
    });
  }));

test("a redirect is followed, and a signature in an address is not shown", () =>
  withRunner({}, ({ start }) =>
    withMirror([{ status: 302, headers: { location: "/asset?signature=hush" } }, { status: 403 }], async (mirror, asked) => {
      const ended = await start({ mirror }).ended;
      assert.equal(ended.code, 2);
      assert.equal(asked[1], "/asset?signature=hush");
      assert.doesNotMatch(ended.stderr + ended.stdout, /hush/);
    })));

test("a mirror that lets in by name, and signs its addresses, is asked so, and nothing of that is shown", () =>
  withRunner({}, ({ start, kept }) =>
    withMirror([{ body: PACKED }], async (mirror, asked, said) => {
      const secret = mirror.replace("://", "://ada:p%40ss%3A%0Aword@").concat("?signature=hush#part");
      const { code, stdout, stderr } = await start({ mirror: secret }, { GITHUB_ACTIONS: "true" }).ended;
      assert.equal(code, 0, stdout + stderr);
      assert.deepEqual(asked, [`/releases/v9.8.7/windlass-${NAME}.br?signature=hush`]);
      assert.deepEqual(said, [`Basic ${Buffer.from("ada:p@ss:\nword").toString("base64")}`]);
      assert.match(stdout, new RegExp(`^fetching Windlass 9\\.8\\.7 from ${mirror}v9\\.8\\.7/windlass-.*\\.br$`, "m"));
      assert.doesNotMatch(stdout + stderr, /ada|word|hush|part/);
      rmSync(kept, { recursive: true });
      // Neither is it where that is wrong.
      await withMirror([{ status: 401 }], async (other) => {
        const refused = await start({ mirror: other.replace("://", "://ada:word@").concat("?hush") }, { GITHUB_ACTIONS: "true" }).ended;
        assert.match(refused.stdout, /answers 401 Unauthorized/);
        assert.doesNotMatch(refused.stdout + refused.stderr, /ada|word|hush/);
      });
    })));

test("whatever the input `mirror` is, it says nothing to the runner, and what cannot be asked is not tried", () =>
  withRunner({}, ({ start }) =>
    withMirror([{ status: 404 }], async (mirror, asked) => {
      for (const nasty of [NASTY, "ftp://ada:word@mirror.example", "file:///etc", "not a url", "mirror.example", "http://ada%zz@127.0.0.1:1/\n::warning::word"]) {
        const { code, stdout, stderr } = await start({ mirror: nasty }, { GITHUB_ACTIONS: "true" }).ended;
        assert.deepEqual([code, stderr], [2, ""]);
        assert.match(stdout, /^::error title=Windlass::the input `mirror` is not an address that can be asked%0A {2}Caused by: [^\n]*%0Anote: nothing was run%0Ahint: [^\n]*\n$/);
        assert.doesNotMatch(stdout, /word|ada/);
      }
      const { code, stdout } = await start({ mirror: `${mirror}\n::warning::word\n::add-mask::a` }, { GITHUB_ACTIONS: "true" }).ended;
      assert.deepEqual([code, asked.length], [2, 1]);
      assert.doesNotMatch(stdout, /^::(?!error title=Windlass::Windlass cannot be downloaded%0A)/m);
    })));

/** A proxy on loopback, which knows the mirror by a name that no name server has, and remembers whom it was asked for. */
async function withProxy(mirror, work) {
  const to = new URL(mirror);
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const { pathname } = new URL(request.url);
    get({ host: to.hostname, port: to.port, path: pathname }, (answer) => answer.pipe(response.writeHead(answer.statusCode, answer.headers)));
  });
  server.on("connect", (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    const there = connect(Number(to.port), to.hostname, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      there.pipe(socket).pipe(there);
    });
    for (const end of [socket, there]) end.on("error", () => {});
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await work(`http://127.0.0.1:${server.address().port}`, asked);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test("a binary is downloaded through the proxy that the environment names, and not where it says so", () =>
  withRunner({}, ({ start, kept }) =>
    withMirror([{ body: PACKED }], (mirror, asked) =>
      withProxy(mirror, async (proxy, throughProxy) => {
        for (const name of ["http_proxy", "HTTP_PROXY"]) {
          const { code, stdout, stderr } = await start({ mirror: "http://mirror.example/releases/" }, { [name]: proxy }).ended;
          assert.equal(code, 0, stdout + stderr);
          // Either way of a proxy will do: to ask for the whole address, or for a tunnel.
          assert.match(throughProxy.join(), /^(GET http:\/\/mirror\.example\/releases\/v9\.8\.7\/windlass-.*\.br|CONNECT mirror\.example:80)$/);
          assert.equal(asked.splice(0).length, throughProxy.splice(0).length);
          rmSync(kept, { recursive: true });
        }
        const { code } = await start({ mirror }, { HTTP_PROXY: proxy, NO_PROXY: "127.0.0.1" }).ended;
        assert.deepEqual([code, throughProxy, asked.length], [0, [], 1]);
      }))));

test("what is asked for over TLS goes through a tunnel, and what is wrong at its end is said", () =>
  withRunner({}, ({ start }) =>
    withMirror([{}], (mirror) =>
      withProxy(mirror, async (proxy, throughProxy) => {
        const { code, stderr } = await start({ mirror: "https://mirror.example" }, { https_proxy: proxy }).ended;
        assert.equal(code, 2);
        assert.match(stderr, /^error: Windlass cannot be downloaded\n {2}Caused by: \S+.*\nnote: nothing was run\nhint: /);
        assert.deepEqual(new Set(throughProxy), new Set(["CONNECT mirror.example:443"]));
      }))));

test("a machine that there is no binary for is told what to do", () =>
  withRunner({ archives: {} }, async ({ start }) => {
    const { code, stderr } = await start({}).ended;
    assert.equal(code, 2);
    assert.match(stderr, /^error: Windlass 9\.8\.7 has no binary for \S+\n {2}Caused by: this commit of the action belongs to no release\nnote: nothing was run\nhint: .*`binary`/);
  }));

/** The exit codes of the program itself, as words. */
const exits = () => JSON.parse(execFileSync(built("windlass"), ["__reference"], { encoding: "utf8" })).exits.map((exit) => ({ ...exit, code: String(exit.code) }));

test("the codes that leave nothing open are those of the program that say so", () => {
  const leavesNothing = ({ name, meaning }) => ["succeeded", "rolled back", "failed"].includes(name) || meaning.endsWith("Nothing was run.");
  assert.deepEqual([...SETTLED].sort(), exits().filter(leavesNothing).map(({ code }) => code).sort());
});

test("afterwards what is open is finished, and only then", () =>
  withRunner({}, async ({ start }) => {
    const inputs = { environment: NASTY, config: "a/deploy.toml", component: "web", args: "--force", version: "1" };
    const post = (state, more = {}) => start({ ...inputs, ...more }, { entry: "post.mjs", ...state }).ended;
    for (const code of [...exits().filter(({ code }) => !SETTLED.has(code)).map(({ code }) => code), "137", ""]) {
      const ended = await post({ STATE_binary: FAKE, STATE_code: code });
      assert.equal(ended.code, 0);
      assert.deepEqual(started(ended).args, ["reap", "--finish", "--config=a/deploy.toml", `--environment=${NASTY}`, "--component=web", "--forge=github"]);
    }
    for (const code of SETTLED) {
      assert.equal((await post({ STATE_binary: FAKE, STATE_code: code })).stdout, "");
    }
    assert.equal((await post({})).stdout, "");
    assert.equal((await post({ STATE_binary: FAKE }, { finish: "False" })).stdout, "");
    assert.deepEqual(started(await post({ STATE_binary: FAKE }, { args: "--forge\nlocal" })).args.slice(-1), ["--forge=local"]);
  }));

test("what cannot be finished is said, and turns nothing red", () =>
  withRunner({}, async ({ start }) => {
    for (const state of [{ STATE_binary: FAKE, FAKE: "14" }, { STATE_binary: "/no/such/binary" }]) {
      const ended = await start({}, { entry: "post.mjs", ...state }).ended;
      assert.equal(ended.code, 0);
      assert.match(ended.stderr, /^warning: /);
    }
  }));
