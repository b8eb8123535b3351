// The node that the action runs with: this one, where it is new enough, or npm's.

import { execFileSync } from "node:child_process";
import process from "node:process";
import { installed, put } from "./workplace.mjs";

// As `using:` in action.yml says.
const MAJOR = 24;
const PACKAGE = "node@24.21.0";

/** Installs packages of npm, once for all tests; the path of one of their programs. */
export function npm(name, program, packages) {
  return installed(name, `node_modules/${program}`, (directory) => {
    put(directory, "package.json", "{}");
    execFileSync("npm", ["install", "--no-fund", "--no-audit", "--silent", ...packages], { cwd: directory, stdio: "inherit" });
  });
}

export const node24 = () => (parseInt(process.versions.node) >= MAJOR ? process.execPath : npm(PACKAGE, "node/bin/node", [PACKAGE]));
