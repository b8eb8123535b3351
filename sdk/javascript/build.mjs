// Builds the plugin: node windlass-sdk/javascript/build.mjs src/plugin.js build/NAME.wasm
//
// `componentize-qjs` runs the plugin once while it builds it, and gives it WASI without HTTP for that; a world with
// `wasi:http` in it then does not fit, because HTTP's streams would not be those of `wasi:io`. So the world is built with its
// WASI under another name of the same length, `host:`, which the build knows nothing of and leaves open as a whole, and the
// names are put right in what it made.

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { componentize } from "componentize-qjs";
import { near } from "./check.js";

const [entry, output] = process.argv.slice(2);
const sdk = dirname(dirname(fileURLToPath(import.meta.url)));
const project = dirname(sdk);

/** Writes the world with its WASI under the other name, and says which names these are. */
function otherWorld(directory) {
  mkdirSync(join(directory, "deps"), { recursive: true });
  copyFileSync(join(sdk, "wit/v0.1.0/step.wit"), join(directory, "deps/windlass.wit"));
  const world = readFileSync(join(sdk, "wit/plugin.wit"), "utf8");
  writeFileSync(join(directory, "plugin.wit"), world.replaceAll("wasi:", "host:"));
  const names = [];
  for (const [, name, version, interfaces] of world.matchAll(/^package (wasi:[a-z]+)@([0-9.]+) \{$(.*?)^\}$/gms)) {
    for (const [, one] of interfaces.matchAll(/^  interface ([a-z-]+)/gm)) names.push(`${name}/${one}@${version}`);
  }
  return names;
}

/** A component whose imports have their right names. A name in a component stands behind its length. */
function renamed(component, names) {
  for (const name of names) {
    const other = Buffer.from(`host:${name.slice("wasi:".length)}`);
    const search = Buffer.concat([Buffer.of(other.length), other]);
    for (let at = component.indexOf(search); at !== -1; at = component.indexOf(search, at + 1)) {
      component.write("wasi:", at + 1, "latin1");
    }
  }
  return component;
}

/** What went wrong in the plugin, without which part of the tools saw it. */
function told(error) {
  const parts = /^[: ]*Failed to evaluate user JavaScript module: (Failed to [a-z]+ JavaScript module( evaluation)?: )?/;
  const text = `${error.message ?? error}`.replace(parts, "").trim();
  const unresolved = /Error resolving module '([^']+)' from '\/?([^']+)'/.exec(text);
  if (unresolved !== null) return unresolvable(unresolved[1], unresolved[2]);
  const unexported = /Could not find export '([^']+)' in module '\/?([^']+)'/.exec(text);
  if (unexported !== null) return notExported(unexported[1], unexported[2]);
  // Of where it was, only what is the plugin's own.
  return text.split("\n").filter((line) => !/^\s+at .*\/windlass-sdk\//.test(line)).join("\n");
}

/** A module that is imported and cannot be found. */
function unresolvable(module, from) {
  const begins = `\`${from}\` imports \`${module}\``;
  if (isBuiltin(module)) {
    return `${begins}, and a plugin has none of Node's modules: \`windlass-sdk/javascript/README.md\` says what there is`;
  }
  if (/^[./]/.test(module)) return `${begins}, and there is no such file`;
  const name = module.split("/", module.startsWith("@") ? 2 : 1).join("/");
  if (existsSync(join(project, "node_modules", name))) {
    return `${begins}, and the package \`${name}\` has no ECMAScript module of that name`;
  }
  return `${begins}, and that package is not installed: \`npm install ${name}\``;
}

/** A name that is imported from a module that has none such. */
function notExported(name, module) {
  let exported = [];
  try {
    const source = readFileSync(join(project, module), "utf8");
    const declared = [...source.matchAll(/^export (?:const|let|class|(?:async )?function)\s+(\w+)/gm)].map(([, one]) => one);
    const listed = [...source.matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, list]) => list.split(","));
    exported = [...declared, ...listed.map((one) => one.split(" as ").at(-1).trim())];
  } catch {
    // Then there is nothing to compare it with.
  }
  const meant = near(name, exported);
  return `\`${module}\` exports no \`${name}\`${meant === undefined ? "" : `; did you mean \`${meant}\`?`}`;
}

const scratch = mkdtempSync(join(tmpdir(), "windlass-wit-"));
try {
  const names = otherWorld(scratch);
  const jsPath = join(sdk, "javascript/entry.js");
  const { component } = await componentize({
    witPath: scratch,
    world: "plugin-with-files",
    jsSource: readFileSync(jsPath, "utf8").replaceAll("src/plugin.js", entry),
    jsPath,
    moduleRoot: project,
    sync: true,
  });
  const file = resolve(project, output);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, renamed(component, names));
} catch (error) {
  process.stderr.write(`${told(error)}\n`);
  process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
