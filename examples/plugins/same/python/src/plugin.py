"""Registers a release: reads its version from a file, has a command stamp it, and tells a registry."""

from windlass import Failure, Verdict, capability, http, intent, log, outcome, process, record, secrets, step

SECRET = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
TOKEN = {"type": "object", "additionalProperties": False, "required": ["secret"], "properties": {"secret": SECRET}}

DESCRIBE = {
    "name": "same",
    "version": "1.0.0",
    "summary": "Registers a release.",
    "config": {
        "type": "object",
        "additionalProperties": False,
        "required": ["file", "registry", "token", "stamp"],
        "properties": {
            "file": {"type": "string", "pattern": "^[^/]+/[^/]+$"},
            "registry": {"type": "string"},
            "token": TOKEN,
            "stamp": {"type": "string"},
        },
    },
}


def base(config):
    return config["registry"].removesuffix("/")


def requires(config):
    origin, secret = base(config), config["token"]["secret"]
    return [
        capability.directory(config["file"].split("/")[0], during=["plan", "apply"]),
        capability.exec(config["stamp"], arguments=["*"], during=["apply"]),
        capability.http(f"{origin}/releases/", during=["plan"]),
        capability.http(f"{origin}/releases/", methods=["DELETE"], during=["revert"]),
        capability.http(f"{origin}/releases", methods=["POST"], during=["apply"]),
        capability.secret_header(secret, origin, during=["plan", "apply", "revert"]),
    ]


def version_of(config):
    path = config["file"]
    try:
        with open(path) as file:
            version = file.read().strip()
    except OSError as error:
        raise Failure.misconfigured("unreadable", f"`{path}` cannot be read", causes=[error.strerror])
    if not version:
        hint = f"write the version into `{path}`"
        raise Failure.misconfigured("no-version", f"`{path}` holds no version", hint=hint)
    return version


def ask(config, method, path, expected, json=None):
    headers = {"authorization": f"Bearer {secrets.need(config['token']['secret'])}"}
    answer = http.request(base(config) + path, method=method, headers=headers, json=json)
    if answer.status not in expected:
        message = f"the registry answered `{method} {path}` with {answer.status}"
        raise Failure.unavailable("registry-answered", message)
    return answer


def is_there(config, version):
    return ask(config, "GET", f"/releases/{version}", [200, 404]).status == 200


def plan(config):
    version = version_of(config)
    if is_there(config, version):
        return []
    return [intent.changes(f"register:{version}", f"register `{version}`", f"stamped by `{config['stamp']}`")]


def apply(config):
    version = version_of(config)
    stamped = process.run(config["stamp"], [version])
    if not stamped.succeeded:
        raise Failure.check_failed(
            "stamp-failed",
            f"`{config['stamp']} {version}` ended with {stamped.ending}",
            causes=[stamped.tail.strip()],
            note="nothing was registered",
        )
    stamp = stamped.stdout.strip()
    log.info(f"the stamp is {stamp}")
    record.append({"version": version})
    answer = ask(config, "POST", "/releases", [201], {"stamp": stamp, "version": version}).json()
    return outcome(f"registered `{version}`", {"id": str(answer["id"]), "stamp": stamp, "version": version})


def probe(config, records):
    if not records:
        return Verdict.NOT_DONE
    return Verdict.DONE if is_there(config, records[-1]["version"]) else Verdict.NOT_DONE


def revert(config, records):
    for one in reversed(records):
        ask(config, "DELETE", f"/releases/{one['version']}", [204, 404])
    return "took back what was registered"


Lifecycle = step(DESCRIBE, requires=requires, plan=plan, apply=apply, probe=probe, revert=revert)
