// Reads a URL and headers from standard input, as JSON, and writes what is there to standard output, and why it cannot to standard
// error. A program of its own: see fetch.mjs.

import process from "node:process";
import { json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

// How long one try takes at the most, and how long is waited before the next, in milliseconds.
const PATIENCE = 120_000;
const PAUSES = [1_000, 4_000];
// The largest answer that is read, in bytes.
const LARGEST = 64 * 1024 * 1024;

class Final extends Error {}

/** The reason behind a failed request: node says "fetch failed" and keeps the rest to itself. */
function reasonOf(error) {
  return error.cause?.code ?? error.cause?.message ?? error.message;
}

async function read({ url, headers }) {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(PATIENCE) });
  if (!response.ok) {
    const { origin, pathname } = new URL(response.url);
    const text = `${origin}${pathname} answers ${response.status} ${response.statusText}`.trim();
    throw response.status >= 500 || [408, 429].includes(response.status) ? new Error(text) : new Final(text);
  }
  const parts = [];
  let length = 0;
  for await (const part of response.body) {
    length += part.length;
    if (length > LARGEST) throw new Final(`the answer has more than ${LARGEST / 1024 / 1024} MiB`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function main(source) {
  for (let tried = 0; ; tried += 1) {
    try {
      process.stdout.write(await read(source));
      return 0;
    } catch (error) {
      if (error instanceof Final || tried === PAUSES.length) {
        process.stderr.write(reasonOf(error));
        return 1;
      }
      await sleep(PAUSES[tried] * (0.75 + Math.random() / 2));
    }
  }
}

process.exitCode = await main(await json(process.stdin));
