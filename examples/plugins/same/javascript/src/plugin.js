// Registers a release: reads its version from a file, has a command stamp it, and tells a registry.

import {
  Failure,
  capability,
  files,
  http,
  intent,
  log,
  process,
  record,
  secrets,
  step,
} from "../windlass-sdk/javascript/windlass.js";

const SECRET = { type: "string", pattern: "^[A-Za-z_][A-Za-z0-9_]*$" };

const describe = {
  name: "same",
  version: "1.0.0",
  summary: "Registers a release.",
  config: {
    type: "object",
    additionalProperties: false,
    required: ["file", "registry", "token", "stamp"],
    properties: {
      file: { type: "string", pattern: "^[^/]+/[^/]+$" },
      registry: { type: "string" },
      token: { type: "object", additionalProperties: false, required: ["secret"], properties: { secret: SECRET } },
      stamp: { type: "string" },
    },
  },
};

const base = (config) => config.registry.replace(/\/$/, "");

function requires(config) {
  const origin = base(config);
  return [
    capability.directory(config.file.split("/")[0], { during: ["plan", "apply"] }),
    capability.exec(config.stamp, { arguments: ["*"], during: ["apply"] }),
    capability.http(`${origin}/releases/`, { during: ["plan"] }),
    capability.http(`${origin}/releases/`, { methods: ["DELETE"], during: ["revert"] }),
    capability.http(`${origin}/releases`, { methods: ["POST"], during: ["apply"] }),
    capability.secretHeader(config.token.secret, origin, { during: ["plan", "apply", "revert"] }),
  ];
}

function read(file) {
  try {
    return files.read(file);
  } catch (error) {
    throw Failure.misconfigured("unreadable", `\`${file}\` cannot be read`, { causes: error.causes });
  }
}

function versionOf(config) {
  const version = read(config.file).trim();
  if (version !== "") return version;
  throw Failure.misconfigured("no-version", `\`${config.file}\` holds no version`, {
    hint: `write the version into \`${config.file}\``,
  });
}

function ask(config, method, path, expected, json) {
  const url = `${base(config)}${path}`;
  const headers = { authorization: `Bearer ${secrets.need(config.token.secret)}` };
  const answer = http.request(url, { method, headers, json });
  if (expected.includes(answer.status)) return answer;
  throw Failure.unavailable("registry-answered", `the registry answered \`${method} ${path}\` with ${answer.status}`);
}

const isThere = (config, version) => ask(config, "GET", `/releases/${version}`, [200, 404]).status === 200;

function plan(config) {
  const version = versionOf(config);
  if (isThere(config, version)) return [];
  return [intent.changes(`register:${version}`, `register \`${version}\``, `stamped by \`${config.stamp}\``)];
}

function apply(config) {
  const version = versionOf(config);
  const stamped = process.run(config.stamp, [version]);
  if (!stamped.succeeded) {
    throw Failure.checkFailed("stamp-failed", `\`${config.stamp} ${version}\` ended with ${stamped.ending}`, {
      causes: [stamped.tail.trim()],
      note: "nothing was registered",
    });
  }
  const stamp = stamped.stdout.trim();
  log.info(`the stamp is ${stamp}`);
  record.append({ version });
  const { id } = ask(config, "POST", "/releases", [201], { stamp, version }).json();
  return { summary: `registered \`${version}\``, outputs: { id: String(id), stamp, version } };
}

function probe(config, records) {
  if (records.length === 0) return "not-done";
  return isThere(config, records.at(-1).version) ? "done" : "not-done";
}

function revert(config, records) {
  for (const { version } of records.reverse()) ask(config, "DELETE", `/releases/${version}`, [204, 404]);
  return "took back what was registered";
}

export const lifecycle = step({ describe, requires, plan, apply, probe, revert });
