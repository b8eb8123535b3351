"""Write a Windlass step in Python: `Lifecycle = step(describe={...}, requires=..., plan=..., apply=..., revert=...)`.

Files, variables and clocks are Python's own: `open` reaches the directories that were granted. The rest is here. `wit/v0.1.0/step.wit` is the
contract itself, and says what each thing means.
"""

import json
import os

from wit_world import exports
from wit_world.exports import lifecycle
from wit_world.imports import deployment as _deployment
from wit_world.imports import log as _log
from wit_world.imports import network as _network
from wit_world.imports import outputs as _outputs
from wit_world.imports import process as _process
from wit_world.imports import progress as _progress
from wit_world.imports import record as _record
from wit_world.imports import report as _report
from wit_world.imports import secrets as _secrets
from wit_world.imports import state as _state
from wit_world.imports.windlass_plugin_types import Capability, Effect, Finding, Intent, Outcome, Severity, Verdict

from . import capability, database, http
from .failure import Failure, guarded, hosted

__all__ = [
    "Failure",
    "Severity",
    "Verdict",
    "capability",
    "database",
    "deployment",
    "environment",
    "finding",
    "http",
    "intent",
    "log",
    "network",
    "outcome",
    "outputs",
    "process",
    "progress",
    "record",
    "report",
    "secrets",
    "state",
    "step",
]


def step(describe, requires=None, plan=None, apply=None, probe=None, revert=None):
    """Makes the class that the component exports; call it `Lifecycle`. What is missing is said while it is built."""
    for name in ("name", "version", "summary", "config"):
        if name not in describe:
            raise TypeError(f"the step's `describe` has no `{name}`")
    for name, function in (("requires", requires), ("plan", plan), ("apply", apply)):
        if not callable(function):
            raise TypeError(f"the step has no function `{name}`")
    description = (describe["name"], describe["version"], describe["summary"], json.dumps(describe["config"]))

    class Lifecycle(exports.Lifecycle):
        def describe(self):
            return lifecycle.Description(*description)

        def requires(self, config):
            return guarded("requires", lambda: _list("requires", requires(json.loads(config)), Capability, "capability"))

        def plan(self, config):
            return guarded("plan", lambda: _list("plan", plan(json.loads(config)), Intent, "intent"))

        def apply(self, config):
            return guarded("apply", lambda: _outcome("apply", apply(json.loads(config))))

        def probe(self, config, records):
            return guarded("probe", lambda: _verdict(probe and probe(json.loads(config), _values(records))))

        def revert(self, config, records):
            if revert is None:
                return outcome("nothing to take back")
            return guarded("revert", lambda: _outcome("revert", revert(json.loads(config), _values(records))))

    return Lifecycle


def _values(records):
    return [json.loads(one) for one in records]


def _wrong(name, what):
    return Failure.bug("wrong-answer", f"`{name}` returned something that is not {what}")


def _list(name, result, kind, maker):
    if not isinstance(result, (list, tuple)) or not all(isinstance(one, kind) for one in result):
        raise _wrong(name, f"a list made with `{maker}`")
    return list(result)


def _outcome(name, result):
    if isinstance(result, str):
        return outcome(result)
    if not isinstance(result, Outcome):
        raise _wrong(name, "a text or an `outcome`")
    return result


def _verdict(result):
    if result is None:
        return Verdict.UNKNOWN
    if not isinstance(result, Verdict):
        raise _wrong("probe", "a `Verdict`")
    return result


class intent:
    """What `plan` returns a list of: `intent.changes("id", "one line", "more for a person")`."""

    @staticmethod
    def reads(id, summary, detail=None):
        """Looks only."""
        return Intent(id, summary, detail, Effect.READS)

    @staticmethod
    def checks(id, summary, detail=None):
        """Looks at what is live, and fails where that is not as it must be."""
        return Intent(id, summary, detail, Effect.CHECKS)

    @staticmethod
    def changes(id, summary, detail=None):
        """Changes something, and can take it back."""
        return Intent(id, summary, detail, Effect.CHANGES)

    @staticmethod
    def irreversible(id, summary, detail=None):
        """Changes something that cannot be taken back."""
        return Intent(id, summary, detail, Effect.IRREVERSIBLE)

    @staticmethod
    def unknown(id, summary, detail=None):
        """Could not be found out."""
        return Intent(id, summary, detail, Effect.UNKNOWN)


def outcome(summary, outputs=None, findings=()):
    """What `apply` and `revert` return: one line for a person, and values for later steps."""
    return Outcome(summary, [(name, str(value)) for name, value in (outputs or {}).items()], list(findings))


def finding(severity, code, message, file=None, line=None):
    """Something that was seen, with its place where it has one."""
    return Finding(severity, code, message, file, line)


class record:
    """What a step leaves for its own `revert` and `probe`."""

    @staticmethod
    def append(value):
        """Append one value; it is on disk when this returns."""
        hosted(_record.append, json.dumps(value))


class deployment:
    """What is being deployed, where, and what is there now."""

    current = staticmethod(_deployment.current)


class outputs:
    """The values that earlier steps put out."""

    get = staticmethod(_outputs.get)


class log:
    """The step's log."""

    @staticmethod
    def debug(message):
        """For the plugin's author."""
        _log.write(_log.Level.DEBUG, str(message))

    @staticmethod
    def info(message):
        """For whoever watches."""
        _log.write(_log.Level.INFO, str(message))

    @staticmethod
    def warn(message):
        """Worth a look."""
        _log.write(_log.Level.WARN, str(message))

    @staticmethod
    def error(message):
        """Wrong."""
        _log.write(_log.Level.ERROR, str(message))


class progress:
    """How far the step is."""

    @staticmethod
    def update(message, done=None, total=None):
        """Say what is being done."""
        _progress.update(message, done, total)


class report:
    """What goes into the summary of the run."""

    annotate = staticmethod(_report.annotate)

    @staticmethod
    def table(title, columns, rows):
        """A small table."""
        _report.table(title, list(columns), [[str(cell) for cell in row] for row in rows])

    @staticmethod
    def metric(name, value, unit):
        """A figure with its unit."""
        _report.metric(name, float(value), unit)


class Completion:
    """How a program ended."""

    def __init__(self, completion):
        self.code, self.signal, self.timed_out = completion.code, completion.signal, completion.timed_out
        self.truncated, self.tail = completion.truncated, completion.tail
        self.stdout_bytes, self.stderr_bytes = completion.stdout, completion.stderr
        self.stdout = completion.stdout.decode(errors="replace")
        self.stderr = completion.stderr.decode(errors="replace")
        self.succeeded = completion.code == 0 and not completion.timed_out

    @property
    def ending(self):
        """How it ended, for a message."""
        if self.timed_out:
            return "its timeout"
        return f"signal {self.signal}" if self.code is None else f"exit code {self.code}"


class process:
    """Granted programs."""

    @staticmethod
    def run(program, arguments=(), directory=".", variables=None, input=None, stream=False, timeout=None):
        """Run a program to its end; `timeout` is in milliseconds. Its own exit code is not an error."""
        given = input.encode() if isinstance(input, str) else input
        where = _process.Output.STREAM if stream else _process.Output.CAPTURE
        set_to = list((variables or {}).items())
        command = _process.Command(program, list(arguments), directory, set_to, given, where, timeout)
        return Completion(hosted(_process.run, command))


class network:
    """Granted ports."""

    @staticmethod
    def probe_tcp(host, port, timeout):
        """Connect and close at once: how long it took, in microseconds. `timeout` is in milliseconds."""
        return hosted(_network.probe_tcp, host, port, timeout)


class secrets:
    """Stand-ins for granted secrets: the host replaces each where it was granted for."""

    @staticmethod
    def placeholder(name):
        """The stand-in, or none where the secret is not set."""
        return hosted(_secrets.placeholder, name)

    @staticmethod
    def need(name):
        """As `placeholder`, and a failure where the secret is not set."""
        placeholder = secrets.placeholder(name)
        if placeholder is None:
            hint = f"set the variable `{name}` in the job's environment"
            raise Failure.misconfigured("secret-not-set", f"the secret `{name}` is not set", hint=hint)
        return placeholder


class state:
    """Values that outlive a call."""

    @staticmethod
    def get(key):
        """The value, or none."""
        return hosted(_state.get, key)

    @staticmethod
    def set(key, value):
        """Keep a value."""
        hosted(_state.set, key, str(value))


class environment:
    """Granted variables, which `os.environ` has too."""

    @staticmethod
    def get(name):
        """The value, or none."""
        return os.environ.get(name)
