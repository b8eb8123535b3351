// Write a Windlass step in JavaScript: `export const lifecycle = step({ describe, requires, plan, apply, probe, revert })`.
//
// Everything here is synchronous, as the contract is: nothing waits for a promise. `windlass.d.ts` says what each thing takes;
// `windlass-sdk/wit/v0.1.0/step.wit` is the contract itself.

import * as contractDatabase from "windlass:plugin/database@0.1.0";
import * as contractDeployment from "windlass:plugin/deployment@0.1.0";
import * as contractLog from "windlass:plugin/log@0.1.0";
import * as contractNetwork from "windlass:plugin/network@0.1.0";
import * as contractOutputs from "windlass:plugin/outputs@0.1.0";
import * as contractProcess from "windlass:plugin/process@0.1.0";
import * as contractProgress from "windlass:plugin/progress@0.1.0";
import * as contractRecord from "windlass:plugin/record@0.1.0";
import * as contractReport from "windlass:plugin/report@0.1.0";
import * as contractSecrets from "windlass:plugin/secrets@0.1.0";
import * as contractState from "windlass:plugin/state@0.1.0";
import * as contractEnvironment from "host:cli/environment@0.2.6";
import * as contractClock from "host:clocks/monotonic-clock@0.2.6";
import { Failure, guarded, hosted } from "./failure.js";
import * as text from "./text.js";

export { Failure } from "./failure.js";
export { files } from "./files.js";
export { http } from "./http.js";
export { capability } from "./capability.js";
export { bytesOf, textOf } from "./text.js";

const FUNCTIONS = ["requires", "plan", "apply"];
const EFFECTS = ["reads", "checks", "changes", "irreversible", "unknown"];
const VERDICTS = ["done", "partly", "not-done", "unknown"];

/** Makes what the component exports of a step. What is missing is said while it is built. */
export function step({ describe, ...functions }) {
  for (const name of ["name", "version", "summary", "config"]) {
    if (describe?.[name] === undefined) throw new TypeError(`the step's \`describe\` has no \`${name}\``);
  }
  for (const name of FUNCTIONS) {
    if (typeof functions[name] !== "function") throw new TypeError(`the step has no function \`${name}\``);
  }
  const { name, version, summary, config } = describe;
  const description = { name, version, summary, configSchema: JSON.stringify(config) };
  const call = (name, answer, otherwise) =>
    guarded(name, (config, records) => {
      const values = records?.map((record) => JSON.parse(record));
      const result = functions[name] ? functions[name](JSON.parse(config), values) : otherwise;
      if (typeof result?.then === "function") {
        throw Failure.bug("promise", `\`${name}\` returned a promise, and nothing here waits for one`, {
          hint: `write \`${name}\` without \`async\`: every function of \`windlass.js\` returns its answer itself`,
        });
      }
      return answer(name, result);
    });
  return {
    describe: () => description,
    requires: call("requires", capabilitiesOf),
    plan: call("plan", intentsOf),
    apply: call("apply", outcomeOf),
    probe: call("probe", verdictOf, "unknown"),
    revert: call("revert", outcomeOf, "nothing to take back"),
  };
}

function wrong(name, what) {
  return Failure.bug("wrong-answer", `\`${name}\` returned something that is not ${what}`);
}

function capabilitiesOf(name, result) {
  const is = (one) => one?.grant?.tag !== undefined && one.phases !== undefined;
  if (!Array.isArray(result) || !result.every(is)) throw wrong(name, "a list made with `capability`");
  return result;
}

function intentsOf(name, result) {
  const is = (one) => typeof one?.id === "string" && typeof one.summary === "string" && EFFECTS.includes(one.effect);
  if (!Array.isArray(result) || !result.every(is)) throw wrong(name, "a list made with `intent`");
  return result.map(({ id, summary, detail, effect }) => ({ id, summary, detail: detail ?? null, effect }));
}

function outcomeOf(name, result) {
  const { summary, outputs, findings } = typeof result === "string" ? { summary: result } : (result ?? {});
  if (typeof summary !== "string") throw wrong(name, "a text, or an object with a `summary`");
  return {
    summary,
    outputs: Object.entries(outputs ?? {}).map(([name, value]) => [name, String(value)]),
    findings: (findings ?? []).map(findingOf),
  };
}

function verdictOf(name, result) {
  if (!VERDICTS.includes(result)) throw wrong(name, "`done`, `partly`, `not-done` or `unknown`");
  return result;
}

function findingOf({ severity, code, message, file, line }) {
  return { severity, code, message, file: file ?? null, line: line ?? null };
}

/** What `plan` returns a list of: `intent.changes("id", "one line", "more for a person")`. */
export const intent = Object.fromEntries(
  EFFECTS.map((effect) => [effect, (id, summary, detail) => ({ id, summary, detail: detail ?? null, effect })]),
);

/** What a step leaves for its own `revert` and `probe`. */
export const record = { append: (value) => hosted(() => contractRecord.append(JSON.stringify(value))) };

/** What is being deployed, where, and what is there now. */
export const deployment = { current: () => contractDeployment.current() };

/** The values that earlier steps put out. */
export const outputs = { get: (step, name) => contractOutputs.get(step, name) ?? null };

/** The step's log. */
export const log = Object.fromEntries(
  ["debug", "info", "warn", "error"].map((level) => [level, (message) => contractLog.write(level, String(message))]),
);

/** How far the step is. */
export const progress = {
  update: (message, done, total) => contractProgress.update(message, done ?? null, total ?? null),
};

/** What goes into the summary of the run. */
export const report = {
  annotate: (finding) => contractReport.annotate(findingOf(finding)),
  table: (title, columns, rows) => contractReport.table(title, columns, rows.map((row) => row.map(String))),
  metric: (name, value, unit) => contractReport.metric(name, value, unit),
};

/** Granted programs. */
export const process = {
  run(program, args = [], { directory = ".", variables = {}, input, stream = false, timeout } = {}) {
    return hosted(() =>
      completed(
        contractProcess.run({
          program,
          arguments: args,
          directory,
          variables: Object.entries(variables),
          input: input === undefined ? null : text.bytesOf(input),
          output: stream ? "stream" : "capture",
          timeoutMilliseconds: timeout ?? null,
        }),
      ),
    );
  },
};

function completed({ code, signal, timedOut, stdout, stderr, truncated, tail }) {
  const ending = timedOut ? "its timeout" : code === null ? `signal ${signal}` : `exit code ${code}`;
  return {
    code,
    signal,
    timedOut,
    truncated,
    tail,
    ending,
    succeeded: code === 0 && !timedOut,
    stdout: text.textOf(stdout),
    stderr: text.textOf(stderr),
    stdoutBytes: stdout,
    stderrBytes: stderr,
  };
}

/** Granted databases. */
export const database = {
  open(name) {
    const connection = hosted(() => contractDatabase.Connection.open(name));
    return {
      engine: () => connection.engine(),
      version: () => connection.version(),
      execute: (sql, parameters = []) => hosted(() => connection.execute(sql, parameters.map(valueFor))),
      query(sql, parameters = []) {
        const { columns, rows } = hosted(() => connection.query(sql, parameters.map(valueFor)));
        return rows.map((row) => Object.fromEntries(row.map((value, at) => [columns[at], value.val ?? null])));
      },
      script: (sql) => hosted(() => connection.script(sql)),
      close: () => connection[Symbol.dispose](),
    };
  },
};

function valueFor(value) {
  if (value === null || value === undefined) return { tag: "null" };
  if (typeof value === "boolean") return { tag: "boolean", val: value };
  if (typeof value === "number") return { tag: Number.isInteger(value) ? "integer" : "real", val: value };
  if (typeof value === "string") return { tag: "text", val: value };
  return { tag: "bytes", val: value };
}

/** Granted ports: how long a connection took, in microseconds. */
export const network = {
  probeTcp: (host, port, timeout) => hosted(() => contractNetwork.probeTcp(host, port, timeout)),
};

/** Stand-ins for granted secrets: the host replaces each where it was granted for. */
export const secrets = {
  placeholder: (name) => hosted(() => contractSecrets.placeholder(name)) ?? null,
  /** As `placeholder`, and a failure where the secret is not set. */
  need(name) {
    const placeholder = secrets.placeholder(name);
    if (placeholder !== null) return placeholder;
    throw Failure.misconfigured("secret-not-set", `the secret \`${name}\` is not set`, {
      hint: `set the variable \`${name}\` in the job's environment`,
    });
  },
};

/** Values that outlive a call. */
export const state = {
  get: (key) => hosted(() => contractState.get(key)) ?? null,
  set: (key, value) => hosted(() => contractState.set(key, String(value))),
};

/** Granted variables. */
export const environment = {
  get: (name) => contractEnvironment.getEnvironment().find(([other]) => other === name)?.[1] ?? null,
};

/** Waits so many milliseconds. */
export function sleep(milliseconds) {
  const pollable = contractClock.subscribeDuration(Math.round(milliseconds * 1_000_000));
  pollable.block();
  pollable[Symbol.dispose]();
}

// The runtime has no console; what is written to this one is in the step's log.
const words = (values) => values.map((value) => (typeof value === "object" ? JSON.stringify(value) : String(value)));
const written = (level) => (...values) => log[level](words(values).join(" "));
globalThis.console ??= {
  log: written("info"),
  ...Object.fromEntries(Object.keys(log).map((level) => [level, written(level)])),
};
