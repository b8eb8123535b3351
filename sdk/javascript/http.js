// A small HTTP client over `wasi:http`. Redirects are answers, never followed: where one leads would need a grant of its own.

import { handle } from "host:http/outgoing-handler@0.2.6";
import * as wasi from "host:http/types@0.2.6";
import { check, options } from "./check.js";
import { Failure, answered } from "./failure.js";
import { bytesOf, textOf } from "./text.js";

/** The most of an answer's body that is kept, in bytes. */
const KEPT = 8 << 20;
/** The most that is written at once. */
const CHUNK = 4096;

/** What helps where a request was denied; the host says the same of other things. */
const ASK =
  "if it should be, the plugin has to ask for it in `requires`, for this phase; " +
  "then run `windlass lock` and have the change to `deploy.lock` reviewed";

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
const UNREACHABLE = {
  "DNS-timeout": ["dns", "no such host"],
  "DNS-error": ["dns", "no such host"],
  "destination-not-found": ["dns", "no such host"],
  "connection-refused": ["connection-refused", "the connection was refused"],
  "destination-unavailable": ["unreachable", "it cannot be reached"],
  "destination-IP-unroutable": ["unreachable", "it cannot be reached"],
  "connection-timeout": ["timed-out", "it did not answer in time"],
  "connection-read-timeout": ["timed-out", "it did not answer in time"],
  "HTTP-response-timeout": ["timed-out", "it did not answer in time"],
  "TLS-protocol-error": ["tls", "the TLS connection could not be made"],
  "TLS-certificate-error": ["tls", "the TLS connection could not be made"],
  "TLS-alert-received": ["tls", "the TLS connection could not be made"],
  "connection-terminated": ["closed", "the connection was closed"],
  "HTTP-response-incomplete": ["closed", "the connection was closed"],
};
const PLAIN = ["connection-refused", "timed-out", "closed"];

function explain(what, error) {
  const tag = error?.tag;
  if (tag === "HTTP-request-denied" || tag === "destination-IP-prohibited") {
    return new Failure("denied", "http-denied", `\`${what}\` was denied`, { hint: ASK });
  }
  const [code, text] = UNREACHABLE[tag] ?? ["failed", "it failed"];
  return Failure.unavailable(code, `\`${what}\`: ${text}${PLAIN.includes(code) ? "" : ` (${tag})`}`);
}

const drop = (...resources) => resources.forEach((resource) => resource?.[Symbol.dispose]());

export const http = {
  /** Sends a request and waits for its answer, which is one whatever its status is. */
  request(url, more = {}) {
    check("http.request", "url", "text", url);
    const kinds = { method: "text", headers: "object", body: "contents", json: null, timeout: "time", keep: "whole" };
    const { method = "GET", headers = {}, body, json, timeout, keep = KEPT } = options("http.request", more, kinds);
    const what = `${method} ${url}`;
    const invalid = (why) => Failure.misconfigured("invalid-request", `\`${what}\` cannot be sent: ${why}`);
    const parts = /^([a-z]+):\/\/([^/?#]*)([^#]*)/i.exec(url);
    if (parts === null) throw invalid("the URL has no scheme");
    const [, scheme, authority, rest] = parts;
    if (scheme !== "https" && scheme !== "http") {
      throw invalid(`the scheme \`${scheme}\` is neither \`http\` nor \`https\``);
    }
    for (const [name, value] of Object.entries(headers)) check("http.request", `headers.${name}`, "word", value);
    const fields = Object.entries(headers).map(([name, value]) => [name, bytesOf(String(value))]);
    if (json !== undefined) fields.push(["content-type", bytesOf("application/json; charset=utf-8")]);
    const sent = bytesOf(json === undefined ? (body ?? "") : JSON.stringify(json));
    if (sent.length > 0) fields.push(["content-length", bytesOf(String(sent.length))]);
    const allowed = (work, why) => {
      try {
        return work();
      } catch {
        throw invalid(why);
      }
    };
    const request = new wasi.OutgoingRequest(allowed(() => wasi.Fields.fromList(fields), "a header is not allowed"));
    allowed(() => request.setMethod(methodOf(method)), "the method is none");
    allowed(() => request.setScheme({ tag: scheme.toUpperCase() }), "the scheme is none");
    allowed(() => request.setAuthority(authority), "the host is none");
    allowed(() => request.setPathWithQuery(rest.startsWith("/") ? rest : `/${rest}`), "the path is none");
    const waits = new wasi.RequestOptions();
    if (timeout !== undefined) {
      const nanoseconds = Math.round(timeout * 1_000_000);
      waits.setConnectTimeout(nanoseconds);
      waits.setFirstByteTimeout(nanoseconds);
      waits.setBetweenBytesTimeout(nanoseconds);
    }
    const outgoing = request.body();
    let future;
    try {
      future = handle(request, waits);
    } catch (error) {
      drop(outgoing);
      throw explain(what, answered(error));
    }
    send(outgoing, sent);
    try {
      return receive(what, future, keep);
    } finally {
      drop(future);
    }
  },

  get: (url, options) => http.request(url, { ...options, method: "GET" }),
  post: (url, options) => http.request(url, { ...options, method: "POST" }),
};

function methodOf(method) {
  return METHODS.includes(method) ? { tag: method.toLowerCase() } : { tag: "other", val: method };
}

/** A server may answer before it has read everything, and its answer is what counts: so what cannot be sent is left. */
function send(outgoing, bytes) {
  const stream = outgoing.write();
  try {
    for (let at = 0; at < bytes.length; at += CHUNK) stream.blockingWriteAndFlush(bytes.slice(at, at + CHUNK));
  } catch {
    drop(stream, outgoing);
    return;
  }
  drop(stream);
  try {
    wasi.OutgoingBody.finish(outgoing, null);
  } catch {
    // As above.
  }
}

function receive(what, future, keep) {
  const pollable = future.subscribe();
  pollable.block();
  drop(pollable);
  const answer = future.get();
  // The first result is whether it was asked for before, the second what came of the request.
  const result = answer?.val ?? answer;
  if (result?.tag === "err") throw explain(what, result.val);
  const incoming = result?.tag === "ok" ? result.val : result;
  const status = incoming.status();
  const fields = incoming.headers();
  const headers = fields.entries().map(([name, value]) => [name.toLowerCase(), textOf(value)]);
  drop(fields);
  const body = incoming.consume();
  const stream = body.stream();
  try {
    const { bytes, truncated } = readAll(what, stream, keep);
    return answerOf(what, status, headers, bytes, truncated);
  } finally {
    drop(stream, body, incoming);
  }
}

function readAll(what, stream, keep) {
  const parts = [];
  let length = 0;
  for (;;) {
    let part;
    try {
      part = stream.blockingRead(64 << 10);
    } catch (error) {
      const { tag, val } = answered(error) ?? {};
      if (tag === "closed") break;
      const why = val?.toDebugString?.() ?? String(error);
      throw Failure.unavailable("closed", `the answer to \`${what}\` broke off: ${why}`);
    }
    parts.push(part);
    length += part.length;
    if (length > keep) break;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes: bytes.slice(0, keep), truncated: length > keep };
}

function answerOf(what, status, headers, bytes, truncated) {
  return {
    status,
    ok: status >= 200 && status < 300,
    headers,
    bytes,
    truncated,
    header: (name) => headers.find(([other]) => other === name.toLowerCase())?.[1] ?? null,
    text: () => textOf(bytes),
    json() {
      try {
        return JSON.parse(textOf(bytes));
      } catch (error) {
        throw Failure.unavailable("not-json", `the answer to \`${what}\` is not JSON`, { causes: [error.message] });
      }
    },
  };
}
