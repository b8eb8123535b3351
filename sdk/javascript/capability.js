// Asking for capabilities. Each says with `during` when it is needed: a list of `plan`, `apply` and `revert`.

import { check, options, shown } from "./check.js";
import { Failure } from "./failure.js";
import { targetOf } from "./target.js";

const PHASES = ["plan", "apply", "revert"];
const ACCESS = ["read", "write"];

/** What is asked for by a name, or by a path or URL, and what is said with it: `during` is looked at where it is used. */
function given(what, [name, value], more, kinds = {}) {
  check(`capability.${what}`, name, "text", value);
  return options(`capability.${what}`, more, { ...kinds, during: null });
}

/** Why this is no list of phases. */
function unlike(during) {
  if (!Array.isArray(during) || during.length === 0) return `its \`during\` is ${shown(during)}, and a list of phases is wanted`;
  return `${shown(during.find((phase) => !PHASES.includes(phase)))} in its \`during\` is none of the phases`;
}

function asked(tag, val, during) {
  if (!Array.isArray(during) || during.length === 0 || !during.every((phase) => PHASES.includes(phase))) {
    throw Failure.bug("no-phases", `the capability \`${tag}\` does not say when it is needed`, {
      causes: during === undefined ? [] : [unlike(during)],
      hint: 'add `during`, for example `during: ["apply"]`; the phases are `plan`, `apply` and `revert`',
    });
  }
  const phases = Object.fromEntries(PHASES.map((phase) => [phase, during.includes(phase)]));
  return { grant: { tag, val }, phases };
}

const secret = (name, usage, during) => asked("secret", { name, usage }, during);

export const capability = {
  /** Run a program: a name on the search path, or a path relative to the project. */
  exec(program, more = {}) {
    const lists = { arguments: "texts", variables: "texts", toolchains: "texts", writes: "texts", connects: "ports" };
    const { during, ...options } = given("exec", ["program", program], more, { ...lists, directory: "text", background: "flag" });
    const { arguments: patterns = [], directory = ".", variables = [], toolchains = [], background = false } = options;
    const { writes = [], connects = [] } = options;
    const ports = connects === "any" ? { tag: "any" } : { tag: "these", val: connects };
    const grant = { program, arguments: patterns, directory, variables, toolchains, background, writes, connects: ports };
    return asked("exec", grant, during);
  },

  /** Send requests below a URL: `path` is the URL's, and a prefix where it ends in `/`. */
  http(url, more = {}) {
    const kinds = { methods: "texts", path: "text", addresses: "texts" };
    const { methods = ["GET"], path, addresses, during } = given("http", ["url", url], more, kinds);
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
  tcpProbe(host, port, more = {}) {
    const { addresses, during } = given("tcpProbe", ["host", host], more, { addresses: "texts" });
    check("capability.tcpProbe", "port", "port", port);
    return asked("tcp-probe", { host, port, addresses: addressesOf(host, addresses) }, during);
  },

  /** See a directory tree, relative to the project. */
  directory(path, more = {}) {
    const { access = "read", during } = given("directory", ["path", path], more, { access: ACCESS });
    return asked("directory", { path, access }, during);
  },

  /** Read a variable. */
  environment(name, more = {}) {
    const { during } = given("environment", ["name", name], more);
    return asked("environment", name, during);
  },

  /** Use a database, by a URL without a password, or by the secret of the same name where there is no `url`. */
  database(name, more = {}) {
    const { url, access = "read", during } = given("database", ["name", name], more, { url: "text", access: ACCESS });
    return asked("database", { name, url: url ?? null, access }, during);
  },

  /** Use a secret in a header of requests to the origin of this URL. */
  secretHeader(name, url, more = {}) {
    const { during } = given("secretHeader", ["name", name], more);
    check("capability.secretHeader", "url", "text", url);
    return secret(name, { tag: "header", val: targetOf(url).origin }, during);
  },

  /** Use a secret as a whole URL. */
  secretUrl(name, more = {}) {
    const kinds = { methods: "texts", addresses: "texts" };
    const { methods = ["POST"], addresses = [], during } = given("secretUrl", ["name", name], more, kinds);
    return secret(name, { tag: "url", val: { methods, addresses } }, during);
  },

  /** Use a secret as the URL of the database of the same name. */
  secretDatabase(name, more = {}) {
    const { during } = given("secretDatabase", ["name", name], more);
    return secret(name, { tag: "database" }, during);
  },

  /** Use a secret as this variable of one program, or of each that is granted. */
  secretVariable(name, variable, more = {}) {
    const { program, during } = given("secretVariable", ["name", name], more, { program: "text" });
    check("capability.secretVariable", "variable", "text", variable);
    return secret(name, { tag: "child-variable", val: { variable, program: program ?? null } }, during);
  },
};

/** The loopback where the host is that by its very name, or what is said. */
function addressesOf(host, addresses) {
  const loopback = host === "localhost" || host.endsWith(".localhost") || /^127(\.\d+){3}$/.test(host) || host === "::1";
  return addresses ?? (loopback ? ["loopback"] : []);
}
