// Sets a feature flag with the program `./flag`, and sets it back when the deployment is taken back.

import { Failure, capability, intent, process, record, step } from "../windlass-sdk/javascript/windlass.js";

/** The program that keeps flags. */
const PROGRAM = "./flag";

/** Who the plugin is. `config` is the JSON Schema of the step's `with`, and its texts are what editors show. */
const describe = {
  name: "{{name}}",
  version: "0.1.0",
  summary: "Sets a feature flag, and sets it back.",
  config: {
    type: "object",
    additionalProperties: false,
    required: ["flag", "value"],
    properties: {
      flag: { type: "string", pattern: "^[a-z0-9-]+$", description: "The flag's name." },
      value: { type: "string", pattern: "^[a-z0-9-]+$", description: "What it is to be." },
    },
  },
};

/** Runs the program; a failure with its own words where it fails. */
function run(args, code, what) {
  const completion = process.run(PROGRAM, args);
  if (completion.succeeded) return completion.stdout.trim();
  throw Failure.unavailable(code, what, {
    causes: [`\`${PROGRAM}\` ended with ${completion.ending}`, completion.tail.trim()],
  });
}

const read = (flag) => run(["get", flag], "flag-unreadable", `the flag \`${flag}\` cannot be read`);
const set = (flag, value) => run(["set", flag, value], "flag-not-set", `the flag \`${flag}\` was not set to \`${value}\``);

/** What this configuration needs, and when. */
function requires({ flag }) {
  return [
    capability.exec(PROGRAM, { arguments: ["get", flag], during: ["plan", "apply", "revert"] }),
    capability.exec(PROGRAM, { arguments: ["set", flag, "*"], writes: ["flags"], during: ["apply", "revert"] }),
  ];
}

/** What `apply` would do now; nothing to do is an empty list. */
function plan({ flag, value }) {
  const now = read(flag);
  if (now === value) return [];
  const is = now === "" ? "not set" : `\`${now}\``;
  return [intent.changes(`${flag}=${value}`, `set \`${flag}\` to \`${value}\`, which is ${is}`)];
}

/** Do it. */
function apply({ flag, value }) {
  const before = read(flag);
  // First the record, then the effect: what is cut off between them is taken back, too.
  record.append({ flag, before });
  set(flag, value);
  return { summary: `set \`${flag}\` to \`${value}\``, outputs: { before } };
}

/** What became of an `apply` that was cut off. */
function probe({ flag, value }) {
  return read(flag) === value ? "done" : "not-done";
}

/** Take back what the records say, newest first. */
function revert(_, records) {
  let summary = "nothing to take back";
  for (const { flag, before } of records.reverse()) {
    set(flag, before);
    summary = before === "" ? `took \`${flag}\` away again` : `set \`${flag}\` back to \`${before}\``;
  }
  return summary;
}

export const lifecycle = step({ describe, requires, plan, apply, probe, revert });
