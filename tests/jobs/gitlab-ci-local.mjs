// gitlab-ci-local, and what it reads: the ready pipelines, and the project that they include the template from.

import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { node24, npm } from "./node.mjs";
import { ROOT, git, put, run } from "./workplace.mjs";

const PACKAGE = "gitlab-ci-local@4.75.1";

/** The program and its first argument: it needs a newer node than a machine may have. */
export const gitlabCiLocal = () => [node24(), npm(PACKAGE, ".bin/gitlab-ci-local", [PACKAGE])];

/** The template, of a release whose archives have this SHA-256. */
export function readTemplate(sha256 = "") {
  const text = readFileSync(path.join(ROOT, ".gitlab-ci-template.yml"), "utf8");
  return text.replaceAll(/(WINDLASS_SHA256_\w+: )"[^"]*"/g, `$1"${sha256}"`);
}

/**
 * The project `acme/windlass` as the GitLab at gitlab.com has it: its commit, and the variables with which git finds that GitLab in
 * a directory of this machine.
 */
export function makeTemplateProject(directory, template) {
  const project = path.join(directory, "acme", "windlass.git");
  for (const name of [".gitlab-ci-template.yml", "templates/deploy.yml"]) put(project, name, template);
  git(project, "init", "--quiet", "--initial-branch=main");
  // A commit is asked for by its name, and not all of it.
  for (const name of ["allowAnySHA1InWant", "allowFilter"]) git(project, "config", `uploadpack.${name}`, "true");
  git(project, "add", "--all");
  git(project, "commit", "--quiet", "--message=A release");
  const instead = { GIT_CONFIG_KEY_0: `url.${pathToFileURL(project)}.insteadOf`, GIT_CONFIG_VALUE_0: "https://gitlab.com/acme/windlass.git" };
  return { commit: git(project, "rev-parse", "HEAD"), env: { GIT_CONFIG_COUNT: "1", ...instead } };
}

/** One of the ready pipelines, with the commit of that project, and further inputs for each `include`. */
export function readPipeline(name, commit, inputs = {}) {
  return readFileSync(path.join(ROOT, "examples/gitlab", name), "utf8")
    .replaceAll(/ref: 0{40}/g, `ref: ${commit}`)
    .replaceAll(/^( +)inputs:\n/gm, (line, indent) => line + written(inputs, `${indent}  `));
}

/** A pipeline that includes in this form, once with each of these inputs. */
export const includesOf = (form, all) => `include:\n${all.map((inputs) => `  - ${form}\n    inputs:\n${written(inputs, "      ")}`).join("")}`;

/**
 * Has it fetch a project's file before there is a pipeline that includes it twice: it would fetch it twice at once, into one place,
 * and read what the other one is just writing.
 */
export async function fetchInclude(directory, env, form) {
  const file = path.join(directory, ".fetched.yml");
  put(directory, path.basename(file), includesOf(form, [{ environment: "staging" }]));
  await ask(directory, env, ["--file", path.basename(file), "--list-json"], "[\n");
  rmSync(file);
}

const written = (inputs, indent) => Object.entries(inputs).map(([input, value]) => `${indent}${input}: ${JSON.stringify(value)}\n`).join("");

/** What it answers to a question about a pipeline: from where its answer begins, for what it says before is for people. */
export async function ask(directory, env, args, begin) {
  const [node, program] = gitlabCiLocal();
  const { code, said, text } = await run(node, [program, ...args], { cwd: directory, env });
  if (code !== 0) throw new Error(text);
  return said.slice(said.indexOf(begin));
}
