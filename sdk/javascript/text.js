// Text as UTF-8 and back: the runtime has no `TextEncoder`.

import { shown } from "./check.js";

/** The UTF-8 of a text; bytes as they are. */
export function bytesOf(value) {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer || Array.isArray(value)) return new Uint8Array(value);
  if (typeof value !== "string") throw new TypeError(`a text or bytes are wanted, and this is ${shown(value)}`);
  const bytes = [];
  for (const character of value) {
    let point = character.codePointAt(0);
    if (point >= 0xd800 && point < 0xe000) point = 0xfffd;
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
    else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    else {
      const rest = [(point >> 12) & 63, (point >> 6) & 63, point & 63];
      bytes.push(0xf0 | (point >> 18), ...rest.map((part) => 0x80 | part));
    }
  }
  return Uint8Array.from(bytes);
}

/** The text of some UTF-8. Each byte that is none of it becomes U+FFFD. */
export function textOf(bytes) {
  const parts = [];
  let points = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at];
    const length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
    let point = length === 1 ? first : first & (0x7f >> length);
    let good = length > 0 && at + length <= bytes.length;
    for (let more = 1; good && more < length; more++) {
      const next = bytes[at + more];
      good = (next & 0xc0) === 0x80;
      point = (point << 6) | (next & 63);
    }
    good &&= point >= [0, 0, 0x80, 0x800, 0x10000][length] && point <= 0x10ffff && (point < 0xd800 || point >= 0xe000);
    points.push(good ? point : 0xfffd);
    at += good ? length : 1;
    if (points.length === 4096) {
      parts.push(String.fromCodePoint(...points));
      points = [];
    }
  }
  parts.push(String.fromCodePoint(...points));
  return parts.join("");
}
