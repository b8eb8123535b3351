// Failures, which are the contract's, and exceptions, which are not.

import { check, options } from "./check.js";

const KINDS = ["check-failed", "misconfigured", "unavailable", "denied", "bug"];

/** Why something could not be done. Throw it: the host tells a person of it. */
export class Failure extends Error {
  constructor(kind, code, message, more = {}) {
    check("Failure", "kind", KINDS, kind);
    check("Failure", "code", "text", code);
    super(check("Failure", "message", "text", message));
    const { causes = [], hint = null, note = null } = options("Failure", more ?? {}, { causes: "list", hint: null, note: null });
    if (hint !== null) check("Failure", "hint", "text", hint);
    if (note !== null) check("Failure", "note", "text", note);
    Object.assign(this, { name: "Failure", kind, code, causes, hint, note });
  }

  /** What was looked at is not as it must be: the check worked, and its answer is no. */
  static checkFailed(code, message, more) {
    return new Failure("check-failed", code, message, more);
  }

  /** The configuration or a file of the project is wrong: trying again does not help. */
  static misconfigured(code, message, more) {
    return new Failure("misconfigured", code, message, more);
  }

  /** Something needed did not answer or is not there: trying again may help. */
  static unavailable(code, message, more) {
    return new Failure("unavailable", code, message, more);
  }

  /** The plugin broke a promise of its own. */
  static bug(code, message, more) {
    return new Failure("bug", code, message, more);
  }
}

/** What the host answered where it did not answer with what was asked for; none of an exception of the plugin's own. */
export const answered = (error) => (error instanceof Failure ? undefined : error?.payload);

/** Does what asks the host; its failure becomes one that can be caught as a `Failure`. */
export function hosted(work) {
  try {
    return work();
  } catch (error) {
    const failure = answered(error);
    if (typeof failure?.kind !== "string") throw error;
    const { kind, code, message, causes, hint, note } = failure;
    throw new Failure(kind, code, message, { causes, hint, note });
  }
}

/** A function of the contract: what it throws reaches the host as a failure, also where it is an exception. */
export function guarded(name, work) {
  return (...values) => {
    try {
      return work(...values);
    } catch (error) {
      const { kind, code, message, causes, hint, note } = error instanceof Failure ? error : exception(name, error);
      throw { kind, code, message, causes: causes.map(String), hint, note };
    }
  };
}

/** An exception that nobody caught: what it says, and where in the plugin it was thrown. */
function exception(name, error) {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const places = stack.split("\n").map((line) => line.trim()).filter((line) => line.startsWith("at "));
  const own = places.filter((place) => !/windlass-sdk\/|\(native\)/.test(place));
  return Failure.bug("exception", `\`${name}\` of the plugin threw an exception`, {
    causes: [error instanceof Error ? `${error.name}: ${error.message}` : `it threw \`${String(error)}\``, ...own],
    hint: "this is a bug in the plugin: mend it there, or throw a `Failure` where the step is to fail",
  });
}
