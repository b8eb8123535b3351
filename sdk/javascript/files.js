// Files of granted directories, by paths relative to the project.

import { getDirectories } from "host:filesystem/preopens@0.2.6";
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

function failed(deed, path, code) {
  const make = code === "not-permitted" || code === "read-only" ? Failure.bug : Failure.misconfigured;
  return make(`file-${code}`, `\`${path}\` cannot be ${deed}`, { causes: [WORDS[code] ?? code] });
}

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
  const wanted = normal(path);
  granted ??= getDirectories();
  const found = granted
    .map(([descriptor, name]) => ({ descriptor, name: normal(name) }))
    .filter(({ name }) => name === "" || wanted === name || wanted.startsWith(`${name}/`))
    .sort((one, other) => other.name.length - one.name.length)[0];
  if (found === undefined) {
    throw Failure.bug("directory-not-asked-for", `\`${path}\` cannot be ${deed}`, {
      causes: ["it is in no directory that the step was granted in this phase"],
      hint: `ask for it in \`requires\`: \`capability.directory("…", { access: "read", during: ["plan", "apply"] })\``,
    });
  }
  const inside = found.name === "" ? wanted : wanted.slice(found.name.length + 1);
  try {
    return work(found.descriptor, inside || ".");
  } catch (error) {
    const code = answered(error);
    throw typeof code === "string" ? failed(deed, path, code) : error;
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
  write: (path, contents) =>
    within("written", path, (directory, inside) => {
      const opened = directory.openAt(FOLLOW, inside, { ...PLAIN, create: true, truncate: true }, { ...READ, write: true });
      using(opened, (file) => {
        const bytes = bytesOf(contents);
        for (let at = 0; at < bytes.length; ) at += file.write(bytes.slice(at, at + CHUNK), at);
      });
    }),

  /** Whether there is such a file or directory. */
  exists: (path) =>
    within("looked at", path, (directory, inside) => {
      try {
        directory.statAt(FOLLOW, inside);
        return true;
      } catch (error) {
        if (answered(error) === "no-entry") return false;
        throw error;
      }
    }),

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
