// Files of granted directories, by paths relative to the project.

import { getDirectories } from "host:filesystem/preopens@0.2.6";
import { calling, directories } from "./call.js";
import { check } from "./check.js";
import { Failure, answered } from "./failure.js";
import { bytesOf, textOf } from "./text.js";

/** The most that is read or written at once, in bytes. */
const CHUNK = 64 << 10;
const FOLLOW = { symlinkFollow: true };
const PLAIN = { create: false, directory: false, exclusive: false, truncate: false };
const READ = {
  read: true,
  write: false,
  fileIntegritySync: false,
  dataIntegritySync: false,
  requestedWriteSync: false,
  mutateDirectory: false,
};

/** What the codes of `wasi:filesystem` mean, where a word does not say it. */
const WORDS = {
  "no-entry": "there is no such file or directory",
  access: "permission denied",
  "not-permitted": "it may not be changed",
  "read-only": "it may not be changed",
  "is-directory": "it is a directory",
  "not-directory": "it is not a directory",
  exist: "it is there already",
};

/** What is done to files, whether it changes them, and in which words it could not be. */
const DEEDS = { "looked at": "read", read: "read", listed: "read", written: "write", made: "write", removed: "write" };

const LOCKED = ["not-permitted", "read-only"];

function failed(deed, path, code, causes = [WORDS[code] ?? code], hint = null) {
  const make = LOCKED.includes(code) ? Failure.bug : Failure.misconfigured;
  return make(`file-${code}`, `\`${path}\` cannot be ${deed}`, { causes, hint });
}

/** How a directory is asked for so that this can be done in it. */
function asking(directory, access) {
  const { phase } = calling();
  const during = access === "read" ? ["plan", "apply"] : ["apply"];
  const phases = phase === undefined || during.includes(phase) ? during : [...during, phase];
  const options = `{ access: "${access}", during: [${phases.map((one) => `"${one}"`).join(", ")}] }`;
  return `ask for it in \`requires\`: \`capability.directory("${directory}", ${options})\``;
}

/** Why nothing may be changed in a directory, and where it may. */
function locked(deed, path, directory, code) {
  const { name, phase } = calling();
  const hint =
    phase === "plan" ? `in \`${name}\` every directory is read-only: do it in \`apply\`` : asking(directory, "write");
  return failed(deed, path, code, undefined, hint);
}

/** What is in no directory that is there: it may have been asked for and not be there, or not have been asked for. */
function outside(deed, path, wanted) {
  const access = DEEDS[deed];
  const { name, phase } = calling();
  if (phase === "plan" && access === "write") return locked(deed, path, "…", "read-only");
  const asked = directories().find((one) => holds(normal(one.path), wanted));
  if (asked !== undefined && access === "write" && asked.access === "read") return locked(deed, path, asked.path, "read-only");
  if (asked !== undefined) return failed(deed, path, "no-entry", [`the directory \`${asked.path}\` is not there`]);
  const reaches = phase !== undefined;
  const parent = wanted.includes("/") ? wanted.slice(0, wanted.lastIndexOf("/")) : "…";
  return Failure.bug("directory-not-asked-for", `\`${path}\` cannot be ${deed}`, {
    causes: [reaches ? "it is in no directory that the step was granted in this phase" : `\`${name}\` reaches no files`],
    hint: reaches ? asking(parent, access) : "do it in `plan` or `apply`",
  });
}

/** Whether a path is in a directory, or is it. */
const holds = (directory, path) => directory === "" || path === directory || path.startsWith(`${directory}/`);

function normal(path) {
  const parts = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.push("..");
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** The granted directories. WASI opens each anew for whoever asks, so that is done once. */
let granted;

/** Does something with the granted directory that a path is in, and with the path within it. */
function within(deed, path, work) {
  const wanted = normal(check("files", "path", "text", path));
  granted ??= getDirectories();
  const found = granted
    .map(([descriptor, name]) => ({ descriptor, name: normal(name) }))
    .filter(({ name }) => holds(name, wanted))
    .sort((one, other) => other.name.length - one.name.length)[0];
  if (found === undefined) throw outside(deed, path, wanted);
  const inside = found.name === "" ? wanted : wanted.slice(found.name.length + 1);
  try {
    return work(found.descriptor, inside || ".");
  } catch (error) {
    const code = answered(error);
    if (typeof code !== "string") throw error;
    const changes = DEEDS[deed] === "write" && LOCKED.includes(code);
    throw changes ? locked(deed, path, found.name, code) : failed(deed, path, code);
  }
}

function using(resource, work) {
  try {
    return work(resource);
  } finally {
    resource[Symbol.dispose]();
  }
}

export const files = {
  /** The bytes of a file. */
  bytes: (path) =>
    within("read", path, (directory, inside) =>
      using(directory.openAt(FOLLOW, inside, PLAIN, READ), (file) => {
        const parts = [];
        for (let at = 0; ; ) {
          const [part, over] = file.read(CHUNK, at);
          parts.push(part);
          at += part.length;
          if (over || part.length === 0) break;
        }
        return joined(parts);
      }),
    ),

  /** The text of a file. */
  read: (path) => textOf(files.bytes(path)),

  /** Writes a file, in place of what it held. */
  write(path, contents) {
    check("files.write", "contents", "contents", contents);
    within("written", path, (directory, inside) => {
      const opened = directory.openAt(FOLLOW, inside, { ...PLAIN, create: true, truncate: true }, { ...READ, write: true });
      using(opened, (file) => {
        const bytes = bytesOf(contents);
        for (let at = 0; at < bytes.length; ) at += file.write(bytes.slice(at, at + CHUNK), at);
      });
    });
  },

  /** Whether there is such a file or directory. */
  exists(path) {
    try {
      files.stat(path);
      return true;
    } catch (error) {
      // Also where the granted directory itself is not there.
      if (error instanceof Failure && ["file-no-entry", "file-not-directory"].includes(error.code)) return false;
      throw error;
    }
  },

  /** The size in bytes and the type of a file or directory. */
  stat: (path) =>
    within("looked at", path, (directory, inside) => {
      const { size, type } = directory.statAt(FOLLOW, inside);
      return { size, type };
    }),

  /** What is in a directory, by name. */
  list: (path) =>
    within("listed", path, (directory, inside) =>
      using(directory.openAt(FOLLOW, inside, { ...PLAIN, directory: true }, READ), (opened) =>
        using(opened.readDirectory(), (entries) => {
          const found = [];
          for (let entry = entries.readDirectoryEntry(); entry !== null; entry = entries.readDirectoryEntry()) {
            found.push({ name: entry.name, type: entry.type });
          }
          return found.sort((one, other) => (one.name < other.name ? -1 : 1));
        }),
      ),
    ),

  /** Makes a directory, in one that is there. */
  createDirectory: (path) =>
    within("made", path, (directory, inside) => directory.createDirectoryAt(inside)),

  /** Removes a file. */
  remove: (path) => within("removed", path, (directory, inside) => directory.unlinkFileAt(inside)),
};

function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
