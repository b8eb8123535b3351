// Writes each ready pipeline with everything that it includes, as GitLab sees it, and the template's shell: for tests/jobs/lint.

import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { gitlabCiLocal, readPipeline, readTemplate } from "./gitlab-ci-local.mjs";
import { ROOT, makeScratch, put } from "./workplace.mjs";

const [, , directory] = process.argv;
const ends = [];
const scratch = makeScratch({ after: (end) => ends.push(end) });
const git = (...args) => execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@example.invalid", ...args], { cwd: scratch });
git("init", "--quiet", "--initial-branch=main");
git("remote", "add", "origin", "https://gitlab.com/acme/shop.git");
put(scratch, "template.yml", readTemplate("0".repeat(64)));
git("add", "--all");
git("commit", "--quiet", "--message=The template");
git("update-ref", "refs/remotes/origin/main", "HEAD");
git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main");
for (const name of readdirSync(path.join(ROOT, "examples/gitlab"))) {
  put(scratch, ".gitlab-ci.yml", readPipeline(name));
  const [node, program] = gitlabCiLocal();
  const text = execFileSync(node, [program, "--preview", "--variable", "CI_MERGE_REQUEST_IID=7", "--variable", "CI_PIPELINE_SOURCE=merge_request_event"], { cwd: scratch, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  // What it says before the document is for people.
  writeFileSync(path.join(directory, name), text.slice(text.indexOf("---\n")));
}
const shell = /- &windlass \|\n((?: {6}.*\n|\n)+)/.exec(readTemplate(""))[1];
writeFileSync(path.join(directory, "template.sh"), shell.replaceAll(/^ {6}/gm, ""));
for (const end of ends) await end();
