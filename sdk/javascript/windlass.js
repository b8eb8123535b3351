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
import { EFFECTS, capabilitiesOf, findingOf, intentsOf, outcomeOf, verdictOf } from "./answers.js";
import { begin } from "./call.js";
import { check, known, options, shown } from "./check.js";
import { Failure, guarded, hosted } from "./failure.js";
import * as text from "./text.js";

export { Failure } from "./failure.js";
export { files } from "./files.js";
export { http } from "./http.js";
export { capability } from "./capability.js";
export { bytesOf, textOf } from "./text.js";

const DESCRIBE = { name: "text", version: "text", summary: "text", config: "object" };
const FUNCTIONS = ["requires", "plan", "apply"];
const OTHERS = ["probe", "revert"];

/** Makes what the component exports of a step. What is missing, and what has no place in it, is said while it is built. */
export function step(given) {
  known("step", check("step", "step", "object", given), ["describe", ...FUNCTIONS, ...OTHERS]);
  const { describe, ...functions } = given;
  known("describe", describe ?? {}, Object.keys(DESCRIBE));
  for (const name of Object.keys(DESCRIBE)) {
    if (describe?.[name] === undefined) throw new TypeError(`the step's \`describe\` has no \`${name}\``);
  }
  options("describe", describe, DESCRIBE);
  for (const name of [...FUNCTIONS, ...OTHERS]) {
    const wanted = functions[name];
    if (typeof wanted === "function" || (wanted === undefined && OTHERS.includes(name))) continue;
    const is = wanted === undefined ? "" : `: it is ${shown(wanted)}`;
    throw new TypeError(`the step has no function \`${name}\`${is}`);
  }
  const { name, version, summary, config } = describe;
  const description = { name, version, summary, configSchema: JSON.stringify(config) };
  const call = (name, answer, otherwise) =>
    guarded(name, (config, records) => {
      const values = records?.map((record) => JSON.parse(record));
      begin(name, () => functions.requires(JSON.parse(config)));
      const result = (functions[name] ?? otherwise)(JSON.parse(config), values);
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
    probe: call("probe", verdictOf, () => "unknown"),
    revert: call("revert", outcomeOf, lasting),
  };
}

/** What a step without `revert` answers: it left no records, so it did nothing; or it did what nobody takes back. */
function lasting(_, records) {
  if (records.length === 0) return "nothing to take back";
  const left = records.length === 1 ? "1 record" : `${records.length} records`;
  throw Failure.bug("no-revert", "this plugin cannot take back what it did", {
    causes: [`it left ${left}, and has no \`revert\``],
    note: "what it did is as it was left",
    hint: "take it back by hand, and give the plugin a `revert`",
  });
}

/** What `plan` returns a list of: `intent.changes("id", "one line", "more for a person")`. */
export const intent = Object.fromEntries(
  EFFECTS.map((effect) => {
    const what = `intent.${effect}`;
    const made = (id, summary, detail) => {
      check(what, "id", "text", id);
      check(what, "summary", "text", summary);
      if (detail !== undefined && detail !== null) check(what, "detail", "text", detail);
      return { id, summary, detail: detail ?? null, effect };
    };
    return [effect, made];
  }),
);

/** What a step leaves for its own `revert` and `probe`. */
export const record = {
  append(value) {
    const json = JSON.stringify(value);
    if (json === undefined) {
      throw new TypeError(`\`value\` of \`record.append\` has to be one that JSON has, and is ${shown(value)}`);
    }
    hosted(() => contractRecord.append(json));
  },
};

/** What is being deployed, where, and what is there now. */
export const deployment = { current: () => contractDeployment.current() };

/** The values that earlier steps put out. */
export const outputs = {
  get(step, name) {
    check("outputs.get", "step", "text", step);
    return contractOutputs.get(step, check("outputs.get", "name", "text", name)) ?? null;
  },
};

/** The step's log. */
export const log = Object.fromEntries(
  ["debug", "info", "warn", "error"].map((level) => [level, (message) => contractLog.write(level, String(message))]),
);

/** How far the step is. */
export const progress = {
  update(message, done, total) {
    check("progress.update", "message", "text", message);
    options("progress.update", { done, total }, { done: "whole", total: "whole" });
    contractProgress.update(message, done ?? null, total ?? null);
  },
};

/** What goes into the summary of the run. */
export const report = {
  annotate: (finding) => contractReport.annotate(findingOf("report.annotate", finding)),
  table(title, columns, rows) {
    check("report.table", "title", "text", title);
    check("report.table", "columns", "texts", columns);
    for (const row of check("report.table", "rows", "list", rows)) check("report.table", "a row", "list", row);
    contractReport.table(title, columns, rows.map((row) => row.map(String)));
  },
  metric(name, value, unit) {
    check("report.metric", "name", "text", name);
    check("report.metric", "value", "number", value);
    contractReport.metric(name, value, check("report.metric", "unit", "text", unit));
  },
};

/** Granted programs. */
export const process = {
  run(program, args = [], more = {}) {
    check("process.run", "program", "text", program);
    check("process.run", "args", "texts", args);
    const kinds = { directory: "text", variables: "object", input: "contents", stream: "flag", timeout: "time" };
    const { directory = ".", variables = {}, input, stream = false, timeout } = options("process.run", more, kinds);
    for (const [name, value] of Object.entries(variables)) check("process.run", `variables.${name}`, "text", value);
    return hosted(() =>
      completed(
        contractProcess.run({
          program,
          arguments: args,
          directory,
          variables: Object.entries(variables),
          input: input === undefined ? null : text.bytesOf(input),
          output: stream ? "stream" : "capture",
          timeoutMilliseconds: timeout === undefined ? null : Math.round(timeout),
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
    check("database.open", "name", "text", name);
    const connection = hosted(() => contractDatabase.Connection.open(name));
    const given = (what, sql, parameters) => {
      check(what, "sql", "text", sql);
      return check(what, "parameters", "list", parameters).map((value, at) => valueFor(what, value, at));
    };
    return {
      engine: () => connection.engine(),
      version: () => connection.version(),
      execute(sql, parameters = []) {
        const values = given("execute", sql, parameters);
        return hosted(() => connection.execute(sql, values));
      },
      query(sql, parameters = []) {
        const values = given("query", sql, parameters);
        const { columns, rows } = hosted(() => connection.query(sql, values));
        return rows.map((row) => Object.fromEntries(row.map((value, at) => [columns[at], value.val ?? null])));
      },
      script: (sql) => hosted(() => connection.script(check("script", "sql", "text", sql))),
      close: () => connection[Symbol.dispose](),
    };
  },
};

function valueFor(what, value, at) {
  if (value === null || value === undefined) return { tag: "null" };
  if (typeof value === "boolean") return { tag: "boolean", val: value };
  if (typeof value === "number") return { tag: Number.isSafeInteger(value) ? "integer" : "real", val: value };
  if (typeof value === "string") return { tag: "text", val: value };
  if (value instanceof Uint8Array) return { tag: "bytes", val: value };
  throw new TypeError(`number ${at + 1} of the \`parameters\` of \`${what}\` is ${shown(value)}, which no database takes`);
}

/** Granted ports: how long a connection took, in microseconds. */
export const network = {
  probeTcp(host, port, timeout) {
    check("network.probeTcp", "host", "text", host);
    check("network.probeTcp", "port", "port", port);
    check("network.probeTcp", "timeout", "time", timeout);
    return hosted(() => contractNetwork.probeTcp(host, port, Math.round(timeout)));
  },
};

/** Stand-ins for granted secrets: the host replaces each where it was granted for. */
export const secrets = {
  placeholder(name) {
    check("secrets.placeholder", "name", "text", name);
    return hosted(() => contractSecrets.placeholder(name)) ?? null;
  },
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
  get(key) {
    check("state.get", "key", "text", key);
    return hosted(() => contractState.get(key)) ?? null;
  },
  set(key, value) {
    check("state.set", "key", "text", key);
    hosted(() => contractState.set(key, String(check("state.set", "value", "word", value))));
  },
};

/** Granted variables. */
export const environment = {
  get: (name) => contractEnvironment.getEnvironment().find(([other]) => other === name)?.[1] ?? null,
};

/** Waits so many milliseconds. */
export function sleep(milliseconds) {
  check("sleep", "milliseconds", "time", milliseconds);
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
