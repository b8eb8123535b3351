// What went wrong, for a person: what, why, what was done until then, what to do.

export class Mistake extends Error {
  constructor(message, { because, note = "nothing was run", hint }) {
    super(message);
    Object.assign(this, { because, note, hint });
  }

  toString() {
    const parts = [["  Caused by", this.because], ["note", this.note], ["hint", this.hint]];
    return [this.message, ...parts.filter(([, text]) => text).map(([name, text]) => `${name}: ${text}`)].join("\n");
  }
}

/** Data of a command to the runner: what it would take for an end of the line is written otherwise. */
function escaped(text) {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

/** What is said of an error. What is no mistake is a bug, and has its stack. */
const textOf = (error) => (error instanceof Mistake ? String(error) : (error?.stack ?? String(error)));

/** The same for the page of the job, as Markdown: a block that nothing in the text can end. */
export function summaryOf(error) {
  const text = textOf(error);
  const longest = Math.max(2, ...Array.from(text.matchAll(/`+/g), ([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `## ❌ Windlass was not run\n\n${fence}text\nerror: ${text}\n${fence}\n\n`;
}

/** Tells of a mistake: in the log, and beside the job as GitHub shows it. */
export function told(error, process, severity) {
  const text = textOf(error);
  if (process.env.GITHUB_ACTIONS === "true") process.stdout.write(`::${severity} title=Windlass::${escaped(text)}\n`);
  else process.stderr.write(`${severity}: ${text}\n`);
}
