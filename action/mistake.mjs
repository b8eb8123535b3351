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

/** Tells of a mistake: in the log, and beside the job as GitHub shows it. What is not a mistake is a bug, and has its stack. */
export function told(error, process, severity) {
  const text = error instanceof Mistake ? String(error) : (error?.stack ?? String(error));
  if (process.env.GITHUB_ACTIONS === "true") process.stdout.write(`::${severity} title=Windlass::${escaped(text)}\n`);
  else process.stderr.write(`${severity}: ${text}\n`);
}
