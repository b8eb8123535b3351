// Which binary is run: the one that the step names, the one in the runner's tool cache, or the one of the release that this
// commit of the action belongs to. Its digest is in release.json, in the action's own repository: who pins the action by
// commit has pinned the binary.

import { existsSync, readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Mistake } from "./mistake.mjs";

/** What this commit of the action runs: `{ version, url, archives: { "linux-x64": { file, sha256 } } }`. */
function readRelease() {
  return JSON.parse(readFileSync(new URL("release.json", import.meta.url), "utf8"));
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

  // Loaded when it is needed: a deployment begins after all that is loaded here.
  const { fetchBinary } = await import("./fetch.mjs");
  await fetchBinary({ base: inputs.mirror ?? release.url, release, archive, binary, complete: `${kept}.complete` }, process);
  return binary;
}
