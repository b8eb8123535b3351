// The call that is being answered: which function of the step it is, and what the step asked for.

/** When each function runs. `requires` is in none of the phases: it reaches nothing. */
const PHASES = { plan: "plan", probe: "plan", apply: "apply", revert: "revert" };

let current = { name: undefined, requires: () => [] };

/** A function of the step begins. `requires` gives what the step asks for with this call's configuration. */
export function begin(name, requires) {
  current = { name, requires };
}

/** The function's name, and its phase. */
export const calling = () => ({ name: current.name, phase: PHASES[current.name] });

/** The directories that the step asked for in this phase. Only on disk are they known to be there. */
export function directories() {
  const { phase } = calling();
  if (phase === undefined) return [];
  let asked = [];
  try {
    asked = current.requires();
  } catch {
    // What it says, it said when it was asked by the host.
  }
  const wanted = asked.filter(({ grant, phases }) => grant.tag === "directory" && phases[phase]);
  return wanted.map(({ grant }) => grant.val);
}
