// A GitHub on loopback: the fake that the end-to-end tests use, as a process (tests/src/bin/fake.rs).

import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FAKE = path.join(process.env.CARGO_TARGET_DIR ?? path.join(ROOT, "target"), "debug", "fake");

/** Starts it. `variables` are those of a job there; `stop()` answers with what it keeps. */
export async function startGitHub() {
  const child = spawn(FAKE, ["github"], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child, "spawn").catch((error) => {
    throw new Error(`${error.message}: build it first: cargo build --package e2e --bin fake`);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value);
  const variables = await next();
  const stop = () => {
    child.stdin.end();
    return next();
  };
  return { variables, stop };
}
