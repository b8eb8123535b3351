// Which binary is run: the one that the step names, the one in the runner's tool cache, or the one of the release that this
// commit of the action belongs to. Its digest is in release.json, in the action's own repository: who pins the action by
// commit has pinned the binary.

import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { Mistake } from "./mistake.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));

// The largest binary that is unpacked, in bytes: five times what one has.
const LARGEST = 256 * 1024 * 1024;

/** What this commit of the action runs: `{ version, url, archives: { "linux-x64": { file, sha256 } } }`. */
function readRelease() {
  return JSON.parse(readFileSync(path.join(HERE, "release.json"), "utf8"));
}

/** The path of the binary to start. Downloads it where it has to. */
export async function findBinary(inputs, process) {
  const { env, platform, arch } = process;
  // A name alone is looked up on the PATH, as a shell does.
  if (inputs.binary !== undefined && path.basename(inputs.binary) === inputs.binary) return inputs.binary;
  if (inputs.binary !== undefined) return path.resolve(env.GITHUB_WORKSPACE || ".", inputs.binary);

  const release = readRelease();
  const name = `${platform === "win32" ? "windows" : platform === "darwin" ? "macos" : platform}-${arch}`;
  const archive = release.archives[name];
  if (archive === undefined) {
    const names = Object.keys(release.archives);
    throw new Mistake(`Windlass ${release.version} has no binary for ${name}`, {
      because: names.length === 0 ? "this commit of the action belongs to no release" : `it has one for ${names.join(", ")}`,
      hint: "use a commit of a release, or build Windlass and name it with the input `binary`",
    });
  }
  // As the runner's own tools are kept. The digest is in the name, so that another archive of that version is another tool.
  const tools = env.RUNNER_TOOL_CACHE || path.join(env.RUNNER_TEMP || os.tmpdir(), "tools");
  const kept = path.join(tools, "windlass", `${release.version}-${archive.sha256.slice(0, 16)}`, arch);
  const binary = path.join(kept, platform === "win32" ? "windlass.exe" : "windlass");
  if (existsSync(`${kept}.complete`) && existsSync(binary)) return binary;

  const source = sourceOf(inputs.mirror ?? release.url, `v${release.version}/${archive.file}`);
  process.stdout.write(`fetching Windlass ${release.version} from ${source.shown}\n`);
  const packed = await fetched(source, archive.sha256, process);
  const unpacked = await promisify(brotliDecompress)(packed, { maxOutputLength: LARGEST });
  putWhole(binary, unpacked);
  writeFileSync(`${kept}.complete`, "");
  return binary;
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
  const child = spawn(process.execPath, [path.join(HERE, "download.mjs")], {
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
