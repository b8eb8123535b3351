#!/usr/bin/env node
// Stands in for the binary where only the launcher is tested. Says what it was started with, as one line of JSON, and ends
// as `FAKE` says: with that exit code, or `wait` until a signal, with 12, or `killed` by itself.

const [, , ...args] = process.argv;
const { FAKE: mode = "0", GITHUB_TOKEN: token = null } = process.env;
const inputs = Object.keys(process.env).filter((name) => /^(INPUT|STATE)_/i.test(name));
console.log(JSON.stringify({ args, token, inputs }));

if (mode === "wait") {
  const still = setInterval(() => {}, 1000);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.once(signal, () => {
      clearInterval(still);
      console.log(`fake: ${signal}`);
      process.exitCode = 12;
    });
  }
  console.log("fake: waiting");
} else if (mode === "killed") {
  process.kill(process.pid, "SIGKILL");
} else {
  process.exitCode = Number(mode);
}
