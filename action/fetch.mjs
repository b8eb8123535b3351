// Fetches the binary of the release that this commit of the action belongs to: from its page or a mirror, proven by the digest in
// the action's own repository before anything of it is kept.

import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { Mistake } from "./mistake.mjs";

// The largest binary that is unpacked, in bytes: nine times what one has.
const LARGEST = 256 * 1024 * 1024;

/** Puts the binary of a release where it is kept, and says so in the file `complete`. */
export async function fetchBinary({ base, release, archive, binary, complete }, process) {
  const source = sourceOf(base, `v${release.version}/${archive.file}`);
  process.stdout.write(`fetching Windlass ${release.version} from ${source.shown}\n`);
  const packed = await fetched(source, archive.sha256, process);
  const unpacked = await promisify(brotliDecompress)(packed, { maxOutputLength: LARGEST });
  putWhole(binary, unpacked);
  writeFileSync(complete, "");
}

/** Where a file of a release is, what is said to be let in, and how it is shown: a name, a password and a query are secrets. */
function sourceOf(base, file) {
  try {
    const url = new URL(base);
    if (!["http:", "https:"].includes(url.protocol)) throw new Error(`its scheme is ${url.protocol}`);
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/${file}`;
    const { username, password } = url;
    [url.username, url.password, url.hash] = ["", "", ""];
    const said = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
    const headers = username || password ? { authorization: `Basic ${said}` } : {};
    return { url: url.href, headers, shown: url.origin + url.pathname };
  } catch (error) {
    throw new Mistake("the input `mirror` is not an address that can be asked", {
      because: error.message,
      hint: "write where the releases are copied to, for example `https://mirror.example/windlass`",
    });
  }
}

/** The bytes that are there, once they are proven to be those that the digest is of. */
async function fetched(source, sha256, process) {
  const { code, bytes, said } = await download(source, process);
  if (code !== 0) {
    throw new Mistake("Windlass cannot be downloaded", {
      because: said.trim(),
      hint: "where this runner may not reach that address, name a copy of the releases with the input `mirror`, or a binary with `binary`",
    });
  }
  const digest = createHash("sha256").update(bytes).digest("hex");
  if (digest !== sha256) {
    throw new Mistake("what was downloaded is not the Windlass that this action belongs to", {
      because: `its SHA-256 is ${digest}, and the action's repository says ${sha256} (${source.shown})`,
      note: "nothing of it was kept, and nothing was run",
      hint: "look at what the mirror serves; if it is the release's own page, report it before anything else",
    });
  }
  return bytes;
}

/**
 * In a process of its own: node reads the proxies of the environment (`HTTPS_PROXY`, `NO_PROXY`) only where it is told to
 * when it starts. It reads what to ask for: everybody on a machine can see the arguments of a process.
 */
function download({ url, headers }, process) {
  const child = spawn(process.execPath, [fileURLToPath(new URL("download.mjs", import.meta.url))], {
    env: { ...process.env, NODE_USE_ENV_PROXY: "1" },
    stdio: ["pipe", "pipe", "pipe"],
    windowsHide: true,
  });
  // Where it has ended already, its end says why.
  child.stdin.on("error", () => {}).end(JSON.stringify({ url, headers }));
  const parts = [];
  let said = "";
  child.stdout.on("data", (part) => parts.push(part));
  child.stderr.setEncoding("utf8").on("data", (text) => (said += text));
  const stop = () => child.kill();
  const signals = ["SIGINT", "SIGTERM"];
  for (const signal of signals) process.once(signal, stop);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      for (const signal of signals) process.off(signal, stop);
      resolve({ code: code ?? 1, bytes: Buffer.concat(parts), said: said || "the download was stopped" });
    });
  });
}

/**
 * Puts a program where it is kept, all of it or nothing. Another job may have put it there at the same time, and run it already:
 * so nothing that is there is removed.
 */
function putWhole(file, bytes) {
  mkdirSync(path.dirname(file), { recursive: true });
  const temporary = `${file}.${randomUUID()}`;
  try {
    writeFileSync(temporary, bytes, { mode: 0o755 });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    // Windows replaces no program that runs. It is the same one.
    if (!existsSync(file) || !readFileSync(file).equals(bytes)) throw error;
  }
}
