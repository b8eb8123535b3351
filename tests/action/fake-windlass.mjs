#!/usr/bin/env node
// Stands in for the binary where only the action is tested: takes the same arguments, tells GitHub the same things, ends
// the same way. `FAKE` says how: `succeed`, `fail` (also without it, to the environment `broken`), `wait` (until a signal),
// `plain` (no result).

const [command, ...rest] = process.argv.slice(2);
const options = Object.fromEntries(rest.map((argument) => argument.replace(/^--/, "").split(/=(.*)/s)));
const { GITHUB_API_URL: api, GITHUB_REPOSITORY: repository, GITHUB_SHA: sha, GITHUB_TOKEN: token } = process.env;
const mode = process.env.FAKE ?? (options.environment === "broken" ? "fail" : "succeed");

async function post(path, body) {
  const response = await fetch(`${api}/repos/${repository}/deployments${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", "user-agent": "fake-windlass" },
    body: JSON.stringify(body),
  });
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
  return response.json();
}

function finish(outcome, id, code) {
  const deployment = { forge: "github", id: id === null ? null : String(id), url: null };
  const steps = [{ id: "release", plugin: "command@0.1.0", outcome: "succeeded", attempts: 1, duration_ms: 1 }];
  const result = { schema: "windlass.result/1", run: "01fake", app: "shop", environment: options.environment, component: null };
  console.log(JSON.stringify({ ...result, outcome, reason: null, plan: "sha256:fa4e", deployment, steps }));
  process.exitCode = code;
}

console.error(`fake: ${JSON.stringify([command, ...rest])}`);
if (command === "status") {
  console.log(JSON.stringify([{ environment: options.environment, url: `https://${options.environment}.shop.example` }]));
} else if (mode === "plain") {
  console.log("all well");
} else if (mode === "wait") {
  const still = setInterval(() => {}, 1000);
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      clearInterval(still);
      console.error(`fake: ${signal}`);
      finish("cancelled", null, 12);
    });
  }
  console.log("fake: waiting");
} else {
  const { id } = await post("", {
    ref: sha, task: "deploy", auto_merge: false, required_contexts: [], environment: options.environment,
    payload: { schema: "windlass.deployment/1", run: "01fake", plan: "sha256:fa4e" },
  });
  const log_url = `${process.env.GITHUB_SERVER_URL}/${repository}/actions/runs/${process.env.GITHUB_RUN_ID}`;
  await post(`/${id}/statuses`, { state: "in_progress", auto_inactive: false, log_url });
  await post(`/${id}/statuses`, { state: mode === "fail" ? "failure" : "success", auto_inactive: false, log_url });
  console.log("a line that is not the result");
  if (mode === "fail") finish("failed", id, 13);
  else finish("succeeded", id, 0);
}
