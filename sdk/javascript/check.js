// Whether a value is of the kind that the host takes: what is not would end the plugin without a word. This is also used while a
// plugin is built, where there is no host.

/** Names in a row, for a person. */
export function listing(names, last = "and") {
  const shown = names.map((name) => `\`${name}\``);
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} ${last} ${shown.at(-1)}`;
}

/** What somebody meant who wrote something that is not there; nothing where it is like none of them. */
export function near(wrong, known) {
  const most = Math.max(1, Math.floor(wrong.length / 3));
  const best = known.map((name) => [distance(wrong, name), name]).sort(([one], [other]) => one - other)[0];
  return best !== undefined && best[0] <= most ? best[1] : undefined;
}

/** How many letters are too many, missing or others, or have changed places. */
function distance(one, other) {
  let [before, last] = [[], Array.from({ length: other.length + 1 }, (_, at) => at)];
  for (let row = 1; row <= one.length; row++) {
    const next = [row];
    for (let at = 1; at <= other.length; at++) {
      const same = one[row - 1] === other[at - 1] ? 0 : 1;
      next.push(Math.min(last[at] + 1, next[at - 1] + 1, last[at - 1] + same));
      if (one[row - 1] === other[at - 2] && one[row - 2] === other[at - 1]) next[at] = Math.min(next[at], before[at - 2] + 1);
    }
    [before, last] = [last, next];
  }
  return last[other.length];
}

/** What a value is, for a person. */
export function shown(value) {
  if (value === undefined || value === null) return `\`${value}\``;
  if (typeof value === "string") return `the text \`${value.length > 60 ? `${value.slice(0, 60)}…` : value}\``;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return `\`${value}\``;
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return value instanceof Error ? `the error \`${value}\`` : "an object";
  return `a ${typeof value}`;
}

const is = {
  text: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  whole: (value) => Number.isSafeInteger(value) && value >= 0,
  time: (value) => Number.isFinite(value) && value >= 0,
  word: (value) => is.text(value) || is.flag(value) || Number.isFinite(value),
  flag: (value) => typeof value === "boolean",
  bytes: (value) => value instanceof Uint8Array,
  contents: (value) => is.text(value) || is.bytes(value),
  texts: (value) => Array.isArray(value) && value.every(is.text),
  list: (value) => Array.isArray(value),
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  line: (value) => is.whole(value) && value > 0 && value < 2 ** 32,
  port: (value) => is.whole(value) && value > 0 && value < 65536,
  ports: (value) => value === "any" || (Array.isArray(value) && value.every(is.port)),
};

const CALLED = {
  text: "a text",
  number: "a number",
  whole: "a whole number from 0",
  time: "a number of milliseconds",
  word: "a text, a number, `true` or `false`",
  flag: "`true` or `false`",
  contents: "a text or a `Uint8Array`",
  texts: "a list of texts",
  list: "a list",
  object: "an object",
  line: "a line, counted from 1",
  port: "a port",
  ports: '`"any"` or a list of ports',
};

/** One value of what `what` takes: a kind by its name, or a list of the values that it may have. */
export function check(what, name, kind, value) {
  const fits = Array.isArray(kind) ? kind.includes(value) : is[kind](value);
  if (fits) return value;
  const wanted = Array.isArray(kind) ? listing(kind, "or") : CALLED[kind];
  let got = shown(value);
  if (kind === "texts" && Array.isArray(value)) got = `a list with ${shown(value.find((one) => !is.text(one)))} in it`;
  throw new TypeError(`\`${name}\` of \`${what}\` has to be ${wanted}, and is ${got}`);
}

/**
 * What is said by name, each with its kind, or with `null` where anything goes. One that is not known is a slip, and is not passed
 * over; one that is `undefined` or `null` is as if it had not been said.
 */
export function options(what, given, kinds) {
  check(what, "options", "object", given);
  known(what, given, Object.keys(kinds));
  const said = Object.entries(given).filter(([name, value]) => kinds[name] === null || (value !== undefined && value !== null));
  for (const [name, value] of said) {
    if (kinds[name] !== null) check(what, name, kinds[name], value);
  }
  return Object.fromEntries(said);
}

/** That an object has no other keys than these. */
export function known(what, given, names) {
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    const meant = near(name, names);
    const hint = meant === undefined ? "" : `; did you mean \`${meant}\`?`;
    throw new TypeError(`\`${what}\` knows no \`${name}\`, only ${listing(names)}${hint}`);
  }
}
