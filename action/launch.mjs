// Runs the binary in place of this process: its arguments from the step's inputs, its output passed through, its signals
// forwarded, its exit code ours, its result the step's outputs. Needs nothing but node.

import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { appendFileSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";

/** The schema of the result that this launcher reads. */
export const RESULT_SCHEMA = "windlass.result/1";

// Longer lines are not the result: it has one entry per step.
const LONGEST_LINE = 8 * 1024 * 1024;

// The runner asks with the first, and insists with the second; a terminal hangs up with the third.
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

/** The step's inputs, as the runner passes them: `INPUT_` and the name in capitals. What is empty is absent. */
export function readInputs(environment) {
  const read = (name) => (environment[`INPUT_${name.toUpperCase()}`] ?? "").trim() || undefined;
  const names = ["command", "config", "environment", "component", "version", "token", "binary", "args"];
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

/** The binary to start. One that is given by path is relative to the workspace. */
export function binaryOf(inputs, environment) {
  if (inputs.binary === undefined) return "windlass";
  return path.resolve(environment.GITHUB_WORKSPACE || ".", inputs.binary);
}

/** Its arguments. Every input is one argument, whatever is in it; no shell reads them. */
export function argumentsOf(inputs) {
  const list = [inputs.command ?? "run"];
  const option = (name, value) => value !== undefined && list.push(`--${name}=${value}`);
  option("config", inputs.config);
  option("environment", inputs.environment);
  option("component", inputs.component);
  option("release-version", inputs.version);
  list.push("--forge=github", "--format=json");
  list.push(...(inputs.args ?? "").split(/\r?\n/).map((line) => line.trim()).filter(Boolean));
  return list;
}

/** Its environment: ours without the inputs, one of which is the token, and with the token where it is looked for. */
export function environmentOf(inputs, environment) {
  const kept = Object.entries(environment).filter(([name]) => !name.toUpperCase().startsWith("INPUT_"));
  return { ...Object.fromEntries(kept), ...(inputs.token && { GITHUB_TOKEN: inputs.token }) };
}

/** The result out of the last line of standard output; undefined where that is something else. */
export function resultOf(line) {
  try {
    const result = JSON.parse(line);
    return result?.schema === RESULT_SCHEMA ? result : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Where the environment can be seen, as `status` says: the result is about the deployment, and does not have it. Empty
 * where the environment has no URL.
 */
export function environmentUrl(binary, inputs, environment, result) {
  if (result === undefined) return "";
  const list = ["status", "--format=json", `--environment=${result.environment}`];
  if (inputs.config !== undefined) list.push(`--config=${inputs.config}`);
  const status = spawnSync(binary, list, { env: environmentOf(inputs, environment), encoding: "utf8", timeout: 10_000 });
  try {
    return JSON.parse(status.stdout)[0]?.url ?? "";
  } catch {
    return "";
  }
}

/** The step's outputs. */
export function outputsOf(result, exitCode, url) {
  const text = (value) => (typeof value === "string" || typeof value === "number" ? String(value) : "");
  return {
    outcome: text(result?.outcome),
    run: text(result?.run),
    "plan-digest": text(result?.plan),
    "deployment-id": text(result?.deployment?.id),
    "environment-url": text(url),
    "exit-code": text(exitCode),
  };
}

/** Outputs as the runner's file takes them. The delimiter cannot be guessed, so no value can end itself early. */
export function written(outputs, delimiter = `windlass-${randomUUID()}`) {
  const entries = Object.entries(outputs);
  return entries.map(([name, value]) => `${name}<<${delimiter}\n${value}\n${delimiter}\n`).join("");
}

/** Keeps the last line that is not empty of a stream of bytes, without keeping the rest. */
export class LastLine {
  #last = "";
  #open = [];
  #length = 0;

  push(chunk) {
    for (let from = 0; from < chunk.length; ) {
      const end = chunk.indexOf(10, from);
      const part = chunk.subarray(from, end < 0 ? chunk.length : end);
      this.#length += part.length;
      if (this.#length <= LONGEST_LINE) this.#open.push(part);
      if (end < 0) return;
      this.#close();
      from = end + 1;
    }
  }

  end() {
    this.#close();
    return this.#last;
  }

  #close() {
    const text = this.#length <= LONGEST_LINE ? Buffer.concat(this.#open).toString("utf8").trim() : "(too long)";
    if (text !== "") this.#last = text;
    this.#open = [];
    this.#length = 0;
  }
}

/** Runs it and waits for it. Answers with the exit code. */
export async function launch(environment, { stdout, stderr, signals }) {
  const inputs = readInputs(environment);
  const binary = binaryOf(inputs, environment);
  const child = spawn(binary, argumentsOf(inputs), {
    env: environmentOf(inputs, environment),
    stdio: ["ignore", "pipe", "inherit"],
    windowsHide: true,
  });

  const forward = (signal) => child.kill(signal);
  for (const signal of SIGNALS) signals.on(signal, forward);
  const lines = new LastLine();
  child.stdout.on("data", (chunk) => {
    lines.push(chunk);
    if (!stdout.write(chunk)) {
      child.stdout.pause();
      stdout.once("drain", () => child.stdout.resume());
    }
  });
  const end = await new Promise((resolve) => {
    child.once("error", (error) => resolve({ error }));
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  for (const signal of SIGNALS) signals.off(signal, forward);

  if (end.error && child.pid === undefined) {
    const hint = inputs.binary === undefined ? "put `windlass` on the PATH, or name it with `binary`" : "set `binary` to the path of the Windlass binary";
    stderr.write(`error: \`${binary}\` cannot be started\n  Caused by: ${end.error.message}\nnote: nothing was run\nhint: ${hint}\n`);
  }
  // 2: nothing was run. A child that a signal ended has the code that a shell would give it.
  const code = end.error ? 2 : (end.code ?? 128 + (constants.signals[end.signal] ?? 0));
  if (environment.GITHUB_OUTPUT) {
    const result = resultOf(lines.end());
    const url = environmentUrl(binary, inputs, environment, result);
    appendFileSync(environment.GITHUB_OUTPUT, written(outputsOf(result, code, url)));
  }
  return code;
}
