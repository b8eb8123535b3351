// Writes each ready pipeline with everything that it includes, as GitLab sees it, and the template's shell: for tests/jobs/lint.

import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { ask, fetchInclude, makeTemplateProject, readPipeline, readTemplate } from "./gitlab-ci-local.mjs";
import { ROOT, git, makeScratch, plainEnvironment, put } from "./workplace.mjs";

const [, , directory] = process.argv;
const ends = [];
const scratch = makeScratch({ after: (end) => ends.push(end) });
const project = path.join(scratch, "shop");
const { commit, env } = makeTemplateProject(path.join(scratch, "gitlab"), readTemplate("0".repeat(64)));
put(project, "README.md", "The shop\n");
git(project, "init", "--quiet", "--initial-branch=main");
git(project, "remote", "add", "origin", "https://gitlab.com/acme/shop.git");
git(project, "add", "--all");
git(project, "commit", "--quiet", "--message=The shop");
const environment = { ...plainEnvironment(path.join(scratch, "home")), ...env };
await fetchInclude(project, environment, `project: acme/windlass\n    ref: ${commit}\n    file: .gitlab-ci-template.yml`);
for (const name of readdirSync(path.join(ROOT, "examples/gitlab"))) {
  put(project, ".gitlab-ci.yml", readPipeline(name, commit));
  const request = ["CI_MERGE_REQUEST_IID=7", "CI_PIPELINE_SOURCE=merge_request_event"].flatMap((one) => ["--variable", one]);
  writeFileSync(path.join(directory, name), await ask(project, environment, ["--preview", ...request], "---\n"));
}
const shell = /- &windlass \|\n((?: {6}.*\n|\n)+)/.exec(readTemplate(""))[1];
writeFileSync(path.join(directory, "template.sh"), shell.replaceAll(/^ {6}/gm, ""));
for (const end of ends) await end();
