#!/usr/bin/env node
// A GitHub on loopback that keeps deployments and their statuses, takes nothing that the official description does not
// (tests/fixtures/github-requests.json), and counts every other request as a mistake.
//
// As a program: `github-stub.mjs TOKEN` prints its address, and at SIGTERM or the end of its input what it kept, as JSON.
// SIGUSR2 lets the token expire, and the next one makes it good again; it prints a line when that is so.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import process from "node:process";
import { fileURLToPath } from "node:url";

const DESCRIPTION = JSON.parse(readFileSync(new URL("../fixtures/github-requests.json", import.meta.url), "utf8"));
const DEPLOYMENTS = "/repos/{owner}/{repo}/deployments";
const STATUSES = "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses";

// Keywords that say nothing about which values are right.
const SILENT = new Set(["default", "description", "format"]);

/** What is wrong with a value, by the part of OpenAPI's schemas that the requests use. Any other keyword is an error. */
export function mistakesIn(value, schema, at = "body") {
  if (value === null && schema.nullable) return [];
  const found = [];
  for (const [keyword, rule] of Object.entries(schema)) {
    if (SILENT.has(keyword) || keyword === "nullable") continue;
    if (keyword === "type") {
      const kind = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
      if (kind !== rule && !(rule === "integer" && Number.isInteger(value))) found.push(`${at} is not of type ${rule}`);
    } else if (keyword === "enum") {
      if (!rule.includes(value)) found.push(`${at} is none of ${rule.join(", ")}`);
    } else if (keyword === "maxLength") {
      if ([...String(value)].length > rule) found.push(`${at} is longer than ${rule}`);
    } else if (keyword === "required") {
      for (const name of rule) if (!Object.hasOwn(Object(value), name)) found.push(`${at} has no ${name}`);
    } else if (keyword === "properties") {
      for (const [name, inner] of Object.entries(rule)) {
        if (Object.hasOwn(Object(value), name)) found.push(...mistakesIn(value[name], inner, `${at}.${name}`));
      }
    } else if (keyword === "additionalProperties") {
      const extra = Object.keys(Object(value)).filter((name) => !Object.hasOwn(schema.properties ?? {}, name));
      if (rule === false) found.push(...extra.map((name) => `${at}.${name} is not known`));
    } else if (keyword === "items") {
      for (const [index, item] of (Array.isArray(value) ? value : []).entries()) found.push(...mistakesIn(item, rule, `${at}.${index}`));
    } else if (keyword === "oneOf") {
      if (rule.filter((inner) => mistakesIn(value, inner).length === 0).length !== 1) found.push(`${at} fits not exactly one form`);
    } else {
      throw new Error(`the keyword ${keyword} is not understood`);
    }
  }
  return found;
}

/** A request's schema, as strict as GitHub: no unknown fields, and the length that a field's text gives. */
function bodySchema(template) {
  const schema = structuredClone(DESCRIPTION.paths[template].post.requestBody.content["application/json"].schema);
  schema.additionalProperties = false;
  const limit = /maximum description length is (\d+)/.exec(schema.properties.description.description);
  if (limit) schema.properties.description.maxLength = Number(limit[1]);
  return schema;
}

const SCHEMAS = { [DEPLOYMENTS]: bodySchema(DEPLOYMENTS), [STATUSES]: bodySchema(STATUSES) };
if (SCHEMAS[STATUSES].properties.description.maxLength !== 140) throw new Error("the description gives no length of a status's text");

/** Starts it. `stop()` answers with what it kept; after `expire()` the token has expired, and after another one it has not. */
export async function startStub({ token }) {
  const deployments = [];
  const mistakes = [];
  let last = 0;
  let expired = false;

  function answer(request, body) {
    const url = new URL(request.url, "http://stub");
    const wrong = (status, message) => {
      mistakes.push(`${request.method} ${url.pathname}: ${message}`);
      return [status, { message }];
    };
    if (request.headers.authorization !== `Bearer ${token}`) return wrong(401, "Bad credentials");
    if (expired) return [401, { message: "Bad credentials" }];
    const match = /^\/repos\/[^/]+\/[^/]+\/deployments(?:\/(\d+)\/statuses)?$/.exec(url.pathname);
    if (!match || !["GET", "POST"].includes(request.method)) return wrong(501, "it is not expected");
    const owner = match[1] && deployments.find((deployment) => deployment.id === Number(match[1]));
    if (match[1] && !owner) return wrong(404, "Not Found");
    if (request.method === "GET") {
      const wanted = [...url.searchParams].filter(([name]) => ["sha", "environment", "task"].includes(name));
      const fits = (deployment) => wanted.every(([name, value]) => deployment[name] === value);
      return [200, (owner ? owner.statuses : deployments.filter(fits)).toReversed()];
    }
    let read;
    try {
      read = JSON.parse(body);
    } catch {
      return wrong(400, "Problems parsing JSON");
    }
    const found = mistakesIn(read, SCHEMAS[owner ? STATUSES : DEPLOYMENTS]);
    if (found.length > 0) return wrong(422, found.join("; "));
    const made = { id: ++last, ...read };
    if (owner) owner.statuses.push(made);
    else deployments.push({ ...made, sha: read.ref, statuses: [] });
    return [201, made];
  }

  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const [status, value] = answer(request, Buffer.concat(chunks).toString("utf8"));
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, "close");
    return { deployments, mistakes };
  };
  const expire = () => (expired = !expired);
  return { api: `http://127.0.0.1:${server.address().port}`, stop, expire };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const stub = await startStub({ token: process.argv[2] });
  console.log(stub.api);
  process.on("SIGUSR2", () => console.log(`expired: ${stub.expire()}`));
  const ended = new Promise((resolve) => {
    process.once("SIGTERM", resolve);
    process.stdin.once("end", resolve).resume();
  });
  await ended;
  console.log(JSON.stringify(await stub.stop()));
  process.exit();
}
