// What a release is packed in and pinned by, with a stand-in for the binary. Run with: node --test tests/jobs/release.test.mjs

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { ROOT, makeScratch, put, run as start, serve } from "./workplace.mjs";

const ALL = ["linux-x64", "linux-arm64", "macos-x64", "macos-arm64", "windows-x64"];
const VERSION = "9.8.7";
const PINNED = ["action/release.json", ".gitlab-ci-template.yml", "templates/deploy.yml"];
const env = { PATH: process.env.PATH, TMPDIR: tmpdir() };

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const named = (platform, ending) => `windlass-${VERSION}-${platform}.${ending}`;
/** The exit code of a program, and all that it said. */
const run = async (...words) => {
  const { code, text } = await start(...words);
  return { code, text };
};
/** A checksum file as `scripts/pack-release` writes it, of archives that are not there. */
const sums = (platform) => ["br", "tar.xz"].map((ending) => `${sha256(named(platform, ending))}  ${named(platform, ending)}\n`).join("");

/** What a release pins, as it would be in a checkout of that version, and a directory of checksums. */
function makeCheckout(test) {
  const directory = makeScratch(test);
  for (const part of ["scripts/pin-release", "scripts/pack-release", "action", "LICENSE-MIT", "LICENSE-APACHE", "README.md", ...PINNED]) {
    put(directory, part, { copy: path.join(ROOT, part) });
  }
  const manifest = readFileSync(path.join(ROOT, "Cargo.toml"), "utf8");
  put(directory, "Cargo.toml", manifest.replace(/(\[workspace\.package\]\nversion = ").*"/, `$1${VERSION}"`));
  const dist = path.join(directory, "dist");
  mkdirSync(dist);
  const files = () => PINNED.map((name) => readFileSync(path.join(directory, name), "utf8"));
  const pin = (...words) => run(path.join(directory, "scripts/pin-release"), [dist, ...words], { cwd: directory, env });
  return { directory, dist, files, pin };
}

test("all archives are pinned in the action and in the template, and nothing else in them is changed", async (test) => {
  const { dist, files, pin } = makeCheckout(test);
  const [action, template] = files();
  for (const platform of ALL) writeFileSync(path.join(dist, `windlass-${VERSION}-${platform}.sha256`), sums(platform));
  assert.deepEqual(await pin(), { code: 0, text: `pinned ${VERSION}: ${ALL.join(", ")}\n` });

  const archives = Object.fromEntries(ALL.map((platform) => [platform, { file: named(platform, "br"), sha256: sha256(named(platform, "br")) }]));
  const [pinned, filled, component] = files();
  assert.equal(component, filled);
  assert.deepEqual(JSON.parse(pinned), { version: VERSION, url: JSON.parse(action).url, archives });
  const before = template.split("\n");
  const changed = filled.split("\n").filter((line, number) => line !== before[number]);
  assert.equal(filled.split("\n").length, before.length);
  assert.deepEqual(changed.map((line) => line.trim()), [
    `WINDLASS_RELEASE: "${VERSION}"`,
    `WINDLASS_SHA256_X86_64: "${sha256(named("linux-x64", "tar.xz"))}"`,
    `WINDLASS_SHA256_AARCH64: "${sha256(named("linux-arm64", "tar.xz"))}"`,
  ]);
  assert.deepEqual((await pin()).code, 0);
  assert.deepEqual(files(), [pinned, filled, component]);
});

test("a release by hand pins the platforms that it is for, and no longer what an earlier one pinned", async (test) => {
  const { dist, files, pin } = makeCheckout(test);
  for (const platform of ALL) writeFileSync(path.join(dist, `windlass-${VERSION}-${platform}.sha256`), sums(platform));
  await pin();
  assert.deepEqual(await pin("linux-x64"), { code: 0, text: `pinned ${VERSION}: linux-x64\n` });
  const [action, template] = files();
  assert.deepEqual(Object.keys(JSON.parse(action).archives), ["linux-x64"]);
  assert.match(template, /WINDLASS_SHA256_AARCH64: ""\n/);
});

test("what cannot be pinned whole is not pinned at all", async (test) => {
  const { directory, dist, files, pin } = makeCheckout(test);
  const before = files();
  const refused = async (expected, ...words) => {
    const { code, text } = await pin(...words);
    assert.equal(code, 1);
    assert.match(text, expected);
    assert.deepEqual(files(), before);
  };
  const file = (platform) => path.join(dist, `windlass-${VERSION}-${platform}.sha256`);
  await refused(/^error: `.*dist` has no checksum of `windlass-9\.8\.7-linux-x64\.br`\n$/);
  for (const platform of ALL.slice(0, 4)) writeFileSync(file(platform), sums(platform));
  await refused(/^error: `.*dist` has no checksum of `windlass-9\.8\.7-windows-x64\.br`\n$/);
  await refused(/^error: no release is made for `plan9`: there are linux-x64, .*\n$/, "plan9");

  for (const line of ["not a checksum", `${sha256("")}`, `${sha256("").slice(1)}  ${named("windows-x64", "br")}`, `${sha256("")} two names`]) {
    writeFileSync(file("windows-x64"), `${line}\n`);
    await refused(/^error: `windlass-9\.8\.7-windows-x64\.sha256` has a line that is no SHA-256 of a file: `.*`\n$/);
  }
  writeFileSync(file("windows-x64"), `${sums("windows-x64")}${sha256("other")}  ${named("linux-x64", "br")}\n`);
  await refused(/^error: `.*dist` has two checksums of `windlass-9\.8\.7-linux-x64\.br`\n$/);

  // The template is the second file that is written.
  writeFileSync(file("windows-x64"), sums("windows-x64"));
  before[1] = before[1].replace(/^ +WINDLASS_SHA256_AARCH64: .*\n/m, "");
  writeFileSync(path.join(directory, PINNED[1]), before[1]);
  await refused(/^error: `.*\.gitlab-ci-template\.yml` has no line for `WINDLASS_SHA256_AARCH64`\n$/);
});

const unix = { skip: process.platform === "win32" && "the stand-in is a script" };

test("what is packed is what the action runs and the template unpacks, and the same bytes each time", unix, async (test) => {
  const { directory, dist, pin } = makeCheckout(test);
  const git = (...args) => run("git", ["-c", "user.name=test", "-c", "user.email=test@example.invalid", ...args], { cwd: directory, env });
  await git("init", "--quiet");
  await git("commit", "--quiet", "--allow-empty", "--message=Release");
  const platform = `${{ darwin: "macos" }[process.platform] ?? process.platform}-${process.arch}`;
  const program = path.join(directory, "built", "windlass");
  mkdirSync(path.dirname(program));
  copyFileSync(path.join(ROOT, "tests/jobs/fake-windlass.mjs"), program);
  const pack = (to) => run(path.join(directory, "scripts/pack-release"), [program, platform, to], { cwd: directory, env });
  assert.deepEqual(await pack(dist), { code: 0, text: "" });
  const archives = Object.fromEntries(readdirSync(dist).map((name) => [name, readFileSync(path.join(dist, name))]));
  const [brotli, tar, listed] = ["br", "tar.xz", "sha256"].map((ending) => named(platform, ending));
  assert.deepEqual(Object.keys(archives).sort(), [brotli, listed, tar].sort());
  assert.equal(String(archives[listed]), [brotli, tar].map((name) => `${sha256(archives[name])}  ${name}\n`).join(""));

  const again = path.join(directory, "again");
  await pack(again);
  for (const name of Object.keys(archives)) assert.deepEqual(readFileSync(path.join(again, name)), archives[name], name);

  // As the template does, and a person.
  const unpacked = path.join(directory, "unpacked");
  mkdirSync(unpacked);
  assert.deepEqual(await run("tar", ["-xJf", path.join(dist, tar), "-C", unpacked], { env }), { code: 0, text: "" });
  assert.deepEqual(readdirSync(unpacked).sort(), ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "windlass"]);
  const { code, text } = await run(path.join(unpacked, "windlass"), ["check"], { env });
  assert.deepEqual([code, JSON.parse(text).args], [0, ["check"]]);

  // As the action does, at the commit that pins it.
  await pin(platform);
  const mirror = await serve(test, { [`/v${VERSION}/${brotli}`]: archives[brotli] });
  const job = { ...env, GITHUB_WORKSPACE: directory, RUNNER_TOOL_CACHE: path.join(directory, "tools"), INPUT_COMMAND: "check", INPUT_MIRROR: mirror.url };
  for (const name of ["GITHUB_OUTPUT", "GITHUB_STATE"]) writeFileSync((job[name] = path.join(directory, name)), "");
  const launched = await run(process.execPath, [path.join(directory, "action", "main.mjs")], { cwd: directory, env: job });
  assert.equal(launched.code, 0, launched.text);
  assert.match(launched.text, /"args":\["check",/);
  assert.deepEqual(mirror.asked, [`/v${VERSION}/${brotli}`]);
});
