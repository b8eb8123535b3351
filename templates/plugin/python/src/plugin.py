"""Sets a feature flag with the program `./flag`, and sets it back when the deployment is taken back."""

from windlass import Failure, Verdict, capability, intent, outcome, process, record, step

# The program that keeps flags.
PROGRAM = "./flag"

WORD = {"type": "string", "pattern": "^[a-z0-9-]+$"}

# Who the plugin is. `config` is the JSON Schema of the step's `with`, and its texts are what editors show.
DESCRIBE = {
    "name": "{{name}}",
    "version": "0.1.0",
    "summary": "Sets a feature flag, and sets it back.",
    "config": {
        "type": "object",
        "additionalProperties": False,
        "required": ["flag", "value"],
        "properties": {
            "flag": {**WORD, "description": "The flag's name."},
            "value": {**WORD, "description": "What it is to be."},
        },
    },
}


def run(arguments, code, what):
    """Runs the program; a failure with its own words where it fails."""
    completion = process.run(PROGRAM, arguments)
    if not completion.succeeded:
        causes = [f"`{PROGRAM}` ended with {completion.ending}", completion.tail.strip()]
        raise Failure.unavailable(code, what, causes=causes)
    return completion.stdout.strip()


def read(flag):
    return run(["get", flag], "flag-unreadable", f"the flag `{flag}` cannot be read")


def write(flag, value):
    run(["set", flag, value], "flag-not-set", f"the flag `{flag}` was not set to `{value}`")


def requires(config):
    """What this configuration needs, and when."""
    flag = config["flag"]
    return [
        capability.exec(PROGRAM, arguments=["get", flag], during=["plan", "apply", "revert"]),
        capability.exec(PROGRAM, arguments=["set", flag, "*"], writes=["flags"], during=["apply", "revert"]),
    ]


def plan(config):
    """What `apply` would do now; nothing to do is an empty list."""
    flag, value = config["flag"], config["value"]
    now = read(flag)
    if now == value:
        return []
    state = f"`{now}`" if now else "not set"
    return [intent.changes(f"{flag}={value}", f"set `{flag}` to `{value}`, which is {state}")]


def apply(config):
    """Do it."""
    flag, value = config["flag"], config["value"]
    before = read(flag)
    # First the record, then the effect: what is cut off between them is taken back, too.
    record.append({"flag": flag, "before": before})
    write(flag, value)
    return outcome(f"set `{flag}` to `{value}`", {"before": before})


def probe(config, records):
    """What became of an `apply` that was cut off."""
    return Verdict.DONE if read(config["flag"]) == config["value"] else Verdict.NOT_DONE


def revert(config, records):
    """Take back what the records say, newest first."""
    summary = "nothing to take back"
    for one in reversed(records):
        flag, before = one["flag"], one["before"]
        write(flag, before)
        summary = f"set `{flag}` back to `{before}`" if before else f"took `{flag}` away again"
    return summary


Lifecycle = step(DESCRIBE, requires=requires, plan=plan, apply=apply, probe=probe, revert=revert)
