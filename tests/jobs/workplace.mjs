// What the tests of jobs have in common: the programs that were built, repositories to deploy, and programs run to their end.

import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TARGET = process.env.CARGO_TARGET_DIR ?? path.join(ROOT, "target");

/** For tests that take long, or build the example, which is one at a time: they are left out where `QUICK` is 1. */
export const slow = { skip: process.env.QUICK === "1" && "it takes long" };

/** A program of this workspace, as `cargo build` has put it. */
export const built = (name) => path.join(TARGET, "debug", name);

/** A directory for one test, which is removed after it, once what `before` stops in it is stopped. */
export function makeScratch(test, before = () => {}) {
  const directory = mkdtempSync(path.join(tmpdir(), "windlass-jobs-"));
  test.after(async () => {
    await before();
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

/** The environment of a person with nothing set up, but the toolchains of who runs the tests. */
export function plainEnvironment(home) {
  mkdirSync(home, { recursive: true });
  const { PATH, CARGO_HOME = path.join(homedir(), ".cargo"), RUSTUP_HOME = path.join(homedir(), ".rustup") } = process.env;
  // Shared with the other tests of the shop, so that what it depends on is compiled once.
  const shop = path.join(TARGET, "shop");
  const plugins = { WINDLASS_CACHE_DIR: path.join(TARGET, "e2e-cache"), WINDLASS_STATE_DIR: path.join(TARGET, "e2e-state") };
  return { PATH, HOME: home, TMPDIR: tmpdir(), LANG: "C.UTF-8", CARGO_HOME, RUSTUP_HOME, CARGO_TARGET_DIR: shop, ...plugins };
}

/** What git says, of a repository that belongs to nobody in particular. */
export function git(directory, ...args) {
  const env = plainEnvironment(`${directory}-home`);
  return execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@example.invalid", ...args], { cwd: directory, env, encoding: "utf8" }).trim();
}

/** A repository with files, `deploy.lock` and a commit. */
export function makeRepository(directory, files, { remote }) {
  mkdirSync(directory, { recursive: true });
  const env = plainEnvironment(`${directory}-home`);
  const here = (...args) => git(directory, ...args);
  here("init", "--quiet", "--initial-branch=main");
  here("remote", "add", "origin", remote);
  for (const [name, content] of Object.entries(files)) put(directory, name, content);
  const commit = (message) => {
    execFileSync(built("windlass"), ["lock"], { cwd: directory, env, stdio: ["ignore", "ignore", "pipe"] });
    here("add", "--all");
    here("commit", "--quiet", `--message=${message}`);
    return here("rev-parse", "HEAD");
  };
  return { directory, env, git: here, commit };
}

/** A file with that text, or a copy of a file or folder. */
export function put(directory, name, content) {
  const to = path.join(directory, name);
  mkdirSync(path.dirname(to), { recursive: true });
  if (typeof content === "string") writeFileSync(to, content);
  else cpSync(content.copy, to, { recursive: true });
}

/** The files of the example application, on a port of their own. */
export function shop(port) {
  const listed = execFileSync("git", ["ls-files", "-z", "examples/shop"], { cwd: ROOT, encoding: "utf8" }).split("\0").filter(Boolean);
  return Object.fromEntries(listed.map((name) => [path.relative("examples/shop", name), { copy: path.join(ROOT, name) }]));
}

/**
 * Runs a program to its end. `whenSaid` is asked with all that it said so far, each time that it says more. `said` is its standard
 * output, `text` that and its standard error as they came.
 */
export function run(program, args, { cwd, env, whenSaid = () => {} }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], timeout: 300_000 });
    let [said, text] = ["", ""];
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (part) => {
        if (stream === child.stdout) said += part;
        text += part;
        whenSaid(text, child);
      });
    }
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, said, text }));
  });
}

/** Sends a signal to a process that may be over. */
export function signal(one, name) {
  try {
    process.kill(one, name);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** The processes that one began, those that they began, and so on: the last ones first. */
export function processesBelow(parent) {
  const listed = execFileSync("ps", ["-e", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n").map((line) => line.trim().split(/ +/).map(Number));
  const below = (one) => listed.filter(([, its]) => its === one).flatMap(([its]) => [...below(its), its]);
  return below(parent);
}

/** A server on loopback that has these files, and says which it was asked for. */
export async function serve(test, files) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    const body = files[request.url];
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, asked };
}

/** A port on loopback that nobody listens on now. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs `install` once for all tests of this machine's target directory. */
export function installed(name, program, install) {
  const directory = path.join(TARGET, "tools", name);
  const file = path.join(directory, program);
  if (!existsSync(file)) {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    install(directory);
  }
  return file;
}

/** What a step has written for the runner (outputs, states), as the runner reads it. */
export function valuesOf(text) {
  const values = {};
  const lines = text.split("\n");
  while (lines.length > 1) {
    const line = lines.shift();
    const [equals, opens] = [line.indexOf("="), line.indexOf("<<")];
    if (equals >= 0 && (opens < 0 || equals < opens)) {
      values[line.slice(0, equals)] = line.slice(equals + 1);
      continue;
    }
    const [name, delimiter] = line.split("<<");
    const end = lines.indexOf(delimiter);
    values[name] = lines.splice(0, end + 1).slice(0, -1).join("\n");
  }
  return values;
}

/**
 * A step that can be taken back, and one that is cut off. The programs know nothing of a real deployment: what is tried is who
 * hears of a cancellation, and who cleans up. ON_CANCEL stands for what the configuration says of that.
 */
export const SLOW = `schema = 1
app = "shop"
on_cancel = "ON_CANCEL"

[environments.staging]
url = "https://staging.shop.example"

[[step]]
id = "release"
plugin = "command"
with = { run = ["sh", "-c", "echo released >>what.txt"], revert = ["sh", "-c", "echo back >>what.txt"] }

[[step]]
id = "slow"
plugin = "command"
with = { run = ["sh", "-c", "echo begun to wait; exec sleep 600"], revert = ["true"] }
`;
