// Purges surrogate keys of a Fastly service, so that what was deployed is what people get.

import {
  Failure,
  capability,
  http,
  intent,
  log,
  progress,
  record,
  secrets,
  step,
} from "../windlass-sdk/javascript/windlass.js";

const describe = {
  name: "purge-cdn",
  version: "1.0.0",
  summary: "Purges surrogate keys of a Fastly service.",
  config: {
    type: "object",
    additionalProperties: false,
    required: ["service", "token", "keys"],
    properties: {
      service: { type: "string", pattern: "^[A-Za-z0-9]+$", description: "The service's id." },
      token: {
        type: "object",
        description: "The secret that holds an API token, with the scope `purge_select` and `global:read`.",
        additionalProperties: false,
        required: ["secret"],
        properties: { secret: { type: "string", pattern: "^[A-Za-z_][A-Za-z0-9_]*$" } },
      },
      keys: {
        type: "array",
        description: "The surrogate keys to purge.",
        minItems: 1,
        uniqueItems: true,
        items: { type: "string", pattern: "^[A-Za-z0-9._:-]+$" },
      },
      soft: { type: "boolean", default: false, description: "Mark as stale instead: an old answer is better than none." },
      api: { type: "string", default: "https://api.fastly.com", description: "Where the API is." },
    },
  },
};

const api = ({ api = "https://api.fastly.com" }) => api.replace(/\/$/, "");
const service = (config) => `${api(config)}/service/${config.service}`;

function requires(config) {
  return [
    capability.http(service(config), { during: ["plan"] }),
    capability.http(`${service(config)}/purge/`, { methods: ["POST"], during: ["apply"] }),
    capability.secretHeader(config.token.secret, api(config), { during: ["plan", "apply"] }),
  ];
}

/** A request with the token; the answer, read, where it is one that says yes. */
function ask(config, method, url, headers = {}) {
  const answer = http.request(url, {
    method,
    headers: { accept: "application/json", "fastly-key": secrets.need(config.token.secret), ...headers },
    timeout: 10_000,
  });
  if (answer.ok) return answer.json();
  const causes = [answer.text().trim() || "the answer says no more"];
  if (answer.status === 401 || answer.status === 403) {
    throw Failure.misconfigured("token-refused", `Fastly refused the token (${answer.status})`, {
      causes,
      hint: `check that \`${config.token.secret}\` is a token of this service's account`,
    });
  }
  if (answer.status === 404) {
    throw Failure.misconfigured("no-such-service", `Fastly has no service \`${config.service}\``, { causes });
  }
  throw Failure.unavailable("fastly-answered", `Fastly answered \`${method} ${url}\` with ${answer.status}`, { causes });
}

function plan(config) {
  const { name } = ask(config, "GET", service(config));
  const how = config.soft ? "mark as stale" : "purge";
  // What was purged is gone, and only comes back from the origin: nothing here can put it back.
  return config.keys.map((key) => intent.irreversible(`${key}@${config.service}`, `${how} \`${key}\` of \`${name}\``));
}

function apply(config) {
  const ids = config.keys.map((key, at) => {
    progress.update(`purging ${key}`, at, config.keys.length);
    record.append({ key });
    const url = `${service(config)}/purge/${encodeURIComponent(key)}`;
    const { id } = ask(config, "POST", url, config.soft ? { "fastly-soft-purge": "1" } : {});
    log.info(`${config.soft ? "marked as stale" : "purged"} ${key}: ${id}`);
    return id;
  });
  const what = ids.length === 1 ? "1 key" : `${ids.length} keys`;
  return { summary: `${config.soft ? "marked as stale" : "purged"} ${what}`, outputs: { ids: ids.join(" ") } };
}

export const lifecycle = step({
  describe,
  requires,
  plan,
  apply,
  // Purging what is purged already does nothing more: an `apply` may begin again.
  probe: (_, records) => (records.length === 0 ? "not-done" : "partly"),
  revert: () => "nothing to take back: what was purged comes back from the origin",
});
