// gitlab-ci-local, and the ready pipelines as it reads them: with the template beside them.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT, installed, put } from "./workplace.mjs";

// It needs a newer node than a machine may have.
const PACKAGES = ["gitlab-ci-local@4.75.1", "node@22.23.3"];

function tool(name) {
  return installed("gitlab-ci-local-1", `node_modules/${name}`, (directory) => {
    put(directory, "package.json", "{}");
    execFileSync("npm", ["install", "--no-fund", "--no-audit", "--silent", ...PACKAGES], { cwd: directory, stdio: "inherit" });
  });
}

/** The program and its first argument. */
export const gitlabCiLocal = () => [tool("node/bin/node"), tool(".bin/gitlab-ci-local")];

/** One of the ready pipelines, with further inputs for each `include`, and the template as a file of the same repository. */
export function readPipeline(name, inputs = {}) {
  const given = Object.entries(inputs).map(([input, value]) => `      ${input}: ${JSON.stringify(value)}\n`).join("");
  return readFileSync(path.join(ROOT, "examples/gitlab", name), "utf8")
    .replaceAll(/- project: acme\/windlass\n +ref: .*\n +file: .*\n/g, "- local: template.yml\n")
    .replaceAll(/^ {4}inputs:\n/gm, (line) => line + given);
}

/** The template, of a release whose archives have this SHA-256. */
export function readTemplate(sha256) {
  const text = readFileSync(path.join(ROOT, ".gitlab-ci-template.yml"), "utf8");
  return text.replaceAll(/(WINDLASS_SHA256_\w+: )"[^"]*"/g, `$1"${sha256}"`);
}
