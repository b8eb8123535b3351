// Asking for capabilities. Each says with `during` when it is needed: a list of `plan`, `apply` and `revert`.

import { Failure } from "./failure.js";
import { targetOf } from "./target.js";

const PHASES = ["plan", "apply", "revert"];

function asked(tag, val, during) {
  if (!Array.isArray(during) || during.length === 0 || !during.every((phase) => PHASES.includes(phase))) {
    throw Failure.bug("no-phases", `the capability \`${tag}\` does not say when it is needed`, {
      hint: 'add `during`, for example `during: ["apply"]`; the phases are `plan`, `apply` and `revert`',
    });
  }
  const phases = Object.fromEntries(PHASES.map((phase) => [phase, during.includes(phase)]));
  return { grant: { tag, val }, phases };
}

const secret = (name, usage, during) => asked("secret", { name, usage }, during);

export const capability = {
  /** Run a program: a name on the search path, or a path relative to the project. */
  exec(program, { arguments: patterns = [], directory = ".", variables = [], toolchains = [], background = false, writes = [], connects = [], during }) {
    const ports = connects === "any" ? { tag: "any" } : { tag: "these", val: connects };
    const grant = { program, arguments: patterns, directory, variables, toolchains, background, writes, connects: ports };
    return asked("exec", grant, during);
  },

  /** Send requests below a URL: `path` is the URL's, and a prefix where it ends in `/`. */
  http(url, { methods = ["GET"], path, addresses, during }) {
    const target = targetOf(url);
    const grant = {
      scheme: target.scheme,
      host: target.host,
      port: target.port,
      methods,
      path: path ?? target.path,
      addresses: addressesOf(target.host, addresses),
    };
    return asked("http", grant, during);
  },

  /** Learn whether a port accepts connections. */
  tcpProbe(host, port, { addresses, during }) {
    return asked("tcp-probe", { host, port, addresses: addressesOf(host, addresses) }, during);
  },

  /** See a directory tree, relative to the project. */
  directory(path, { access = "read", during }) {
    return asked("directory", { path, access }, during);
  },

  /** Read a variable. */
  environment(name, { during }) {
    return asked("environment", name, during);
  },

  /** Use a database, by a URL without a password, or by the secret of the same name where there is no `url`. */
  database(name, { url, access = "read", during }) {
    return asked("database", { name, url: url ?? null, access }, during);
  },

  /** Use a secret in a header of requests to the origin of this URL. */
  secretHeader(name, url, { during }) {
    return secret(name, { tag: "header", val: targetOf(url).origin }, during);
  },

  /** Use a secret as a whole URL. */
  secretUrl(name, { methods = ["POST"], addresses = [], during }) {
    return secret(name, { tag: "url", val: { methods, addresses } }, during);
  },

  /** Use a secret as the URL of the database of the same name. */
  secretDatabase(name, { during }) {
    return secret(name, { tag: "database" }, during);
  },

  /** Use a secret as this variable of one program, or of each that is granted. */
  secretVariable(name, variable, { program, during }) {
    return secret(name, { tag: "child-variable", val: { variable, program: program ?? null } }, during);
  },
};

/** The loopback where the host is that by its very name, or what is said. */
function addressesOf(host, addresses) {
  const loopback = host === "localhost" || host.endsWith(".localhost") || /^127(\.\d+){3}$/.test(host) || host === "::1";
  return addresses ?? (loopback ? ["loopback"] : []);
}
