// What the functions of a step return, made into what the contract has. What is something else is told with what it is.

import { check, listing, options, shown } from "./check.js";
import { Failure } from "./failure.js";

export const EFFECTS = ["reads", "checks", "changes", "irreversible", "unknown"];
const VERDICTS = ["done", "partly", "not-done", "unknown"];
const SEVERITIES = ["notice", "warning", "error"];

function wrong(name, what, got) {
  return Failure.bug("wrong-answer", `\`${name}\` returned something that is not ${what}`, { causes: [got] });
}

/** Why this is no list of such things. */
function unlike(result, one, is) {
  if (Array.isArray(result)) {
    const at = result.findIndex((value) => !is(value));
    return `number ${at + 1} of the list is ${shown(result[at])}`;
  }
  return is(result) ? `it is ${one}, and no list: write \`[…]\` around it` : `it is ${shown(result)}`;
}

export function capabilitiesOf(name, result) {
  const is = (one) => one?.grant?.tag !== undefined && one.phases !== undefined;
  if (Array.isArray(result) && result.every(is)) return result;
  throw wrong(name, "a list made with `capability`", unlike(result, "one capability", is));
}

const isText = (value) => typeof value === "string";
const isLeftOut = (value) => value === undefined || value === null;

export function intentsOf(name, result) {
  const is = (one) =>
    isText(one?.id) && isText(one.summary) && EFFECTS.includes(one.effect) && (isLeftOut(one.detail) || isText(one.detail));
  if (!Array.isArray(result) || !result.every(is)) {
    throw wrong(name, "a list made with `intent`", unlike(result, "one intent", is));
  }
  return result.map(({ id, summary, detail, effect }) => ({ id, summary, detail: detail ?? null, effect }));
}

export function outcomeOf(name, result) {
  const { summary, outputs, findings, ...others } = isText(result) ? { summary: result } : (result ?? {});
  if (!isText(summary)) {
    const got = typeof result === "object" && result !== null && "summary" in result;
    const is = got ? `its \`summary\` is ${shown(summary)}` : `it is ${shown(result)}`;
    throw wrong(name, "a text, or an object with a `summary`", is);
  }
  const slip = Object.keys(others)[0];
  if (slip !== undefined) {
    throw wrong(name, "a text, or an object with a `summary`, `outputs` and `findings`", `there is \`${slip}\` in it`);
  }
  for (const [output, value] of Object.entries(outputs ?? {})) {
    if (isText(value)) continue;
    throw Failure.bug("wrong-answer", `\`${name}\` returned an output that is not a text`, {
      causes: [`\`${output}\` is ${shown(value)}`],
      hint: "make a text of it, for example with `String(…)` or `JSON.stringify(…)`",
    });
  }
  if (!isLeftOut(findings) && !Array.isArray(findings)) {
    throw wrong(name, "an outcome with a list of findings", `its \`findings\` are ${shown(findings)}`);
  }
  return { summary, outputs: Object.entries(outputs ?? {}), findings: (findings ?? []).map((one) => findingOf(name, one)) };
}

export function verdictOf(name, result) {
  if (!VERDICTS.includes(result)) throw wrong(name, listing(VERDICTS, "or"), `it is ${shown(result)}`);
  return result;
}

/** A finding that `what` takes or returns. */
export function findingOf(what, one) {
  const kinds = { severity: SEVERITIES, code: "text", message: "text", file: "text", line: "line" };
  const { file = null, line = null, ...finding } = options(`a finding of ${what}`, one, kinds);
  for (const name of ["severity", "code", "message"]) check(`a finding of ${what}`, name, kinds[name], finding[name]);
  return { ...finding, file, line };
}
