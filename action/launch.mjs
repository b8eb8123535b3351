// Runs the binary in place of this process: its arguments from the step's inputs, its output passed through, its signals
// forwarded, its exit code ours. The binary itself writes the step's outputs. Needs nothing but node.

import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { constants } from "node:os";
import { findBinary } from "./binary.mjs";
import { Mistake, summaryOf, told } from "./mistake.mjs";

// The runner asks with the first, and insists with the second; a terminal hangs up with the third.
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

const INPUTS = ["command", "config", "environment", "component", "version", "plan", "to", "token", "binary", "mirror", "args", "finish"];

// What the step keeps for what comes after the job.
const STATES = ["binary", "code"];

// What may change something, and so may leave something open.
const CHANGING = new Set(["run", "resume", "rollback"]);

// Exit codes after which nothing is left open on the forge or on this machine: see docs/reference/exit-codes.md.
export const SETTLED = new Set(["0", "2", "10", "13", "20", "21", "22"]);

/** Usage: the step's inputs are wrong, or there is no binary. Nothing was run. */
const NOTHING_RUN = 2;

/** The variable that the runner passes an input in. A job may have others that begin like it, and they are its own. */
const variableOf = (name) => `INPUT_${name.toUpperCase()}`;

/** The step's inputs. What is empty is absent. */
export function readInputs(environment) {
  const read = (name) => (environment[variableOf(name)] ?? "").trim() || undefined;
  return Object.fromEntries(INPUTS.map((name) => [name, read(name)]));
}

/** Whether an input says yes, in the words that GitHub's own actions take. */
export function isTrue(inputs, name, otherwise) {
  const value = inputs[name] ?? String(otherwise);
  if (/^(true|True|TRUE)$/.test(value)) return true;
  if (/^(false|False|FALSE)$/.test(value)) return false;
  throw new Mistake(`the input \`${name}\` is neither true nor false`, {
    because: `it is \`${value}\``,
    hint: `write \`${name}: true\` or \`${name}: false\``,
  });
}

/** Further arguments: one on each line. */
function furtherOf(inputs) {
  return (inputs.args ?? "").split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
}

/** The forge, as every command takes it: GitHub, unless the further arguments name one. */
function forgeOf(further) {
  const at = further.findIndex((word) => /^--forge(=|$)/.test(word));
  if (at < 0) return "--forge=github";
  return further[at] === "--forge" ? `--forge=${further[at + 1] ?? ""}` : further[at];
}

/** Where, as every command takes it. */
function placeOf(inputs) {
  return ["config", "environment", "component"]
    .filter((name) => inputs[name] !== undefined)
    .map((name) => `--${name}=${inputs[name]}`);
}

/** The binary's arguments. Every input is one argument, whatever is in it; no shell reads them. */
export function argumentsOf(inputs) {
  const command = inputs.command ?? "run";
  if (!/^[a-z]+( [a-z]+)?$/.test(command)) {
    throw new Mistake(`\`${command}\` is not a command of Windlass`, {
      because: "the input `command` is one or two words in small letters, for example `run` or `environment stop`",
      hint: "put arguments into `args`, one on each line",
    });
  }
  const list = [...command.split(" "), ...placeOf(inputs)];
  if (inputs.version !== undefined) list.push(`--release-version=${inputs.version}`);
  if (inputs.plan !== undefined) list.push(`--${command === "plan" ? "output" : "plan"}=${inputs.plan}`);
  if (inputs.to !== undefined) list.push(`--to=${inputs.to}`);
  const further = furtherOf(inputs);
  if (!further.some((word) => /^--forge(=|$)/.test(word))) list.push(forgeOf(further));
  list.push(...further);
  return list;
}

/** Its environment: ours without the step's inputs, one of which is the token, and with the token where it is looked for. */
export function environmentOf(inputs, environment) {
  const ours = new Set([...INPUTS.map(variableOf), ...STATES.map((name) => `STATE_${name}`)]);
  const kept = Object.entries(environment).filter(([name]) => !ours.has(name));
  return { ...Object.fromEntries(kept), ...(inputs.token && { GITHUB_TOKEN: inputs.token }) };
}

/**
 * Values as the runner's files take them. What has several lines stands between two delimiters that cannot be guessed, so that no
 * value can end itself early.
 */
export function written(values) {
  const line = ([name, value]) => {
    if (!/[\r\n]/.test(value)) return `${name}=${value}\n`;
    // Loaded when it is needed: a deployment begins after all that is loaded here.
    const delimiter = `windlass-${process.getBuiltinModule("node:crypto").randomUUID()}`;
    return `${name}<<${delimiter}\n${value}\n${delimiter}\n`;
  };
  return Object.entries(values).map(line).join("");
}

function keep(file, values) {
  if (file) appendFileSync(file, written(values));
}

/** Runs a program to its end, and answers with its exit code. Signals are its own: it decides when it is over. */
async function toItsEnd(binary, args, environment, process) {
  const child = spawn(binary, args, { env: environment, stdio: ["ignore", "inherit", "inherit"], windowsHide: true });
  // On Windows every process of the console hears of it by itself, and `kill` knows no other way than the hard one.
  const forward = (signal) => process.platform !== "win32" && child.kill(signal);
  for (const signal of SIGNALS) process.on(signal, forward);
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", reject);
      // A child that a signal ended has the code that a shell would give it.
      child.once("close", (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)));
    });
  } catch (error) {
    throw new Mistake(`\`${binary}\` cannot be started`, {
      because: error.message,
      hint: "look whether it is a program for this machine that may be executed",
    });
  } finally {
    for (const signal of SIGNALS) process.off(signal, forward);
  }
}

/** The step: finds the binary and runs it. Answers with the exit code. */
export async function launch(process) {
  const environment = process.env;
  let code = NOTHING_RUN;
  try {
    const inputs = readInputs(environment);
    const args = argumentsOf(inputs);
    // Before anything is left that it would be about.
    isTrue(inputs, "finish", true);
    const binary = await findBinary(inputs, process);
    // From here on something may be left open, also where this process is killed.
    if (CHANGING.has(args[0])) keep(environment.GITHUB_STATE, { binary });
    code = await toItsEnd(binary, args, environmentOf(inputs, environment), process);
  } catch (error) {
    told(error, process, "error");
    // What the binary would have said, if there had been one.
    keep(environment.GITHUB_OUTPUT, { outcome: "blocked", reason: "usage" });
    if (environment.GITHUB_STEP_SUMMARY) appendFileSync(environment.GITHUB_STEP_SUMMARY, summaryOf(error));
  }
  keep(environment.GITHUB_STATE, { code });
  keep(environment.GITHUB_OUTPUT, { "exit-code": code });
  return code;
}

/** After the job: finishes what a step left that was cancelled or killed. */
export async function finish(process) {
  const { STATE_binary: binary, STATE_code: code } = process.env;
  const inputs = readInputs(process.env);
  if (!binary || SETTLED.has(code)) return;
  try {
    if (!isTrue(inputs, "finish", true)) return;
    const args = ["reap", "--finish", ...placeOf(inputs), forgeOf(furtherOf(inputs))];
    const ended = await toItsEnd(binary, args, environmentOf(inputs, process.env), process);
    if (ended === 0) return;
    throw new Mistake("what the deployment left could not all be finished", {
      because: `\`windlass reap --finish\` ended with exit code ${ended}`,
      note: "the deployment's own outcome stays as it was",
      hint: "look at the lines above; `windlass reap` finishes the rest, from any machine",
    });
  } catch (error) {
    told(error, process, "warning");
  }
}
