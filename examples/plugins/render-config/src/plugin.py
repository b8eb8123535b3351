"""Renders a configuration file from a template of the project, and puts back what was there when it is taken back."""

import difflib
import hashlib
import os
import string

from windlass import Failure, Verdict, capability, deployment, intent, outcome, record, step

TEXT = {"type": "string", "minLength": 1}

DESCRIBE = {
    "name": "render-config",
    "version": "1.0.0",
    "summary": "Renders a configuration file from a template.",
    "config": {
        "type": "object",
        "additionalProperties": False,
        "required": ["template", "to"],
        "properties": {
            "template": {**TEXT, "description": "The template, in a directory of the project; `$name` is filled in."},
            "to": {**TEXT, "description": "The file that is written, in a directory of the project that is there."},
            "values": {
                "type": "object",
                "description": "What is filled in, beside `app`, `environment`, `version` and `commit`.",
                "additionalProperties": {"type": ["string", "number", "boolean"]},
            },
        },
    },
}


def requires(config):
    source, target = (os.path.dirname(config[key]) or "." for key in ("template", "to"))
    during = ["plan", "apply", "revert"]
    # Directories that are granted may not overlap, so one of them is enough where the other is within it.
    shared = os.path.commonpath([source, target]) if "." not in (source, target) else "."
    if shared in (source, target):
        return [capability.directory(shared, access="write", during=during)]
    return [
        capability.directory(source, during=during),
        capability.directory(target, access="write", during=during),
    ]


def rendered(config):
    """What the file is to hold."""
    path = config["template"]
    try:
        with open(path) as file:
            template = file.read()
    except OSError as error:
        raise Failure.misconfigured("no-template", f"the template `{path}` cannot be read", causes=[error.strerror])
    now = deployment.current()
    known = {"app": now.app, "environment": now.environment, "version": now.version, "commit": now.commit}
    try:
        return string.Template(template).substitute({**known, **config.get("values", {})})
    except KeyError as error:
        name = error.args[0]
        raise Failure.misconfigured(
            "no-such-value",
            f"the template `{path}` cannot be filled in",
            causes=[f"{place(template, name)} has `${name}`, and there is no such value"],
            hint=f"add `{name}` to `values`, or write `$$` for a plain `$`",
        )
    except ValueError as error:
        raise Failure.misconfigured("bad-template", f"the template `{path}` cannot be filled in", causes=[str(error)])


def place(template, name):
    """The line that has a name in it."""
    lines = template.splitlines()
    found = (at for at, line in enumerate(lines, 1) if f"${name}" in line or f"${{{name}}}" in line)
    return f"line {next(found, 1)}"


def present(path):
    """What the file holds now; none where there is no such file."""
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return None


def plan(config):
    before, after = present(config["to"]), rendered(config)
    if before == after:
        return []
    name = config["to"]
    lines = difflib.unified_diff((before or "").splitlines(), after.splitlines(), name, name, lineterm="")
    digest = hashlib.sha256(after.encode()).hexdigest()
    verb = "write" if before is None else "change"
    return [intent.changes(f"{name}@sha256:{digest}", f"{verb} `{name}`", "\n".join(lines))]


def apply(config):
    before, after = present(config["to"]), rendered(config)
    record.append({"path": config["to"]} if before is None else {"path": config["to"], "before": before})
    write(config["to"], after)
    digest = hashlib.sha256(after.encode()).hexdigest()
    return outcome(f"rendered `{config['to']}`", {"path": config["to"], "sha256": digest})


def write(path, text):
    """Beside it first: who reads the file finds the one or the other, and never a part."""
    new = f"{path}.new"
    with open(new, "w") as file:
        file.write(text)
    os.replace(new, path)


def probe(config, records):
    if not records:
        return Verdict.NOT_DONE
    now = present(config["to"])
    if now == rendered(config):
        return Verdict.DONE
    return Verdict.NOT_DONE if now == records[-1].get("before") else Verdict.UNKNOWN


def revert(config, records):
    for one in reversed(records):
        if "before" in one:
            write(one["path"], one["before"])
        elif present(one["path"]) is not None:
            os.remove(one["path"])
    return "put back what was there"


Lifecycle = step(DESCRIBE, requires=requires, plan=plan, apply=apply, probe=probe, revert=revert)
