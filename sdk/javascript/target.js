// A URL, taken apart as far as a capability needs it: the runtime has no `URL`.

import { Failure } from "./failure.js";

/** Scheme, host, port, path and origin of a URL. Holes such as `${deployment.version}` may stand in its path and query. */
export function targetOf(url) {
  const no = (why) => Failure.misconfigured("invalid-url", `\`${url}\` is not a URL to send requests to`, { causes: [why] });
  const parts = /^(https?):\/\/([^/?#]*)([^?#]*)/.exec(url);
  if (parts === null) throw no("it does not begin with `https://` or `http://`");
  const [, scheme, authority, path] = parts;
  if (authority.includes("${")) throw no("a host or a port cannot be known only at run time");
  if (authority.includes("@")) throw no("it holds a user name or a password");
  const place = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d+))?$/i.exec(authority);
  const usual = scheme === "https" ? 443 : 80;
  const port = Number(place?.[3] ?? usual);
  if (place === null || port < 1 || port > 65535) throw no("its host or its port is none");
  const host = (place[1] ?? place[2]).toLowerCase();
  const shown = place[1] === undefined ? host : `[${host}]`;
  return { scheme, host, port, path: path || "/", origin: `${scheme}://${shown}${port === usual ? "" : `:${port}`}` };
}
