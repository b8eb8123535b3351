// A forge on loopback: the fake that the end-to-end tests use, as a process (tests/src/bin/fake.rs).

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { built } from "./workplace.mjs";

/**
 * Starts `github` or `gitlab`. `variables` are those of a job there; `tell(words)` has the fake do something, as
 * `["decide", …]`; `kept()` answers with what it keeps and was asked; `stop()` does so, too, and ends it.
 */
export async function startForge(name) {
  const child = spawn(built("fake"), [name], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child, "spawn").catch((error) => {
    throw new Error(`${error.message}: build it first: cargo build --package e2e --bin fake`);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value);
  const variables = await next();
  const tell = (words) => {
    child.stdin.write(`${JSON.stringify(words)}\n`);
    return next();
  };
  const stop = () => {
    child.stdin.end();
    return next();
  };
  return { variables, tell, kept: () => tell([]), stop };
}
