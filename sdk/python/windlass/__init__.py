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
from .check import check, known, shown, texts
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


DESCRIBE = ("name", "version", "summary", "config")
FUNCTIONS = ("describe", "requires", "plan", "apply", "probe", "revert")


def step(describe, requires=None, plan=None, apply=None, probe=None, revert=None, **others):
    """Makes the class that the component exports; call it `Lifecycle`. What is missing, and what has no place in it, is said while it
    is built."""
    known("step", others, FUNCTIONS)
    known("describe", describe, DESCRIBE)
    for name in DESCRIBE:
        if name not in describe:
            raise TypeError(f"the step's `describe` has no `{name}`")
    for name, kind in zip(DESCRIBE, (str, str, str, dict)):
        check("describe", name, kind, describe[name])
    for name, function in (("requires", requires), ("plan", plan), ("apply", apply)):
        if not callable(function):
            raise TypeError(f"the step has no function `{name}`")
    for name, function in (("probe", probe), ("revert", revert)):
        if function is not None and not callable(function):
            raise TypeError(f"the step has no function `{name}`: it is {shown(function)}")
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
            take_back = revert or _lasting
            return guarded("revert", lambda: _outcome("revert", take_back(json.loads(config), _values(records))))

    return Lifecycle


def _lasting(_, records):
    """What a step without `revert` answers: it left no records, so it did nothing; or it did what nobody takes back."""
    if not records:
        return "nothing to take back"
    left = "1 record" if len(records) == 1 else f"{len(records)} records"
    raise Failure.bug(
        "no-revert",
        "this plugin cannot take back what it did",
        causes=[f"it left {left}, and has no `revert`"],
        note="what it did is as it was left",
        hint="take it back by hand, and give the plugin a `revert`",
    )


def _values(records):
    return [json.loads(one) for one in records]


def _wrong(name, what, got):
    return Failure.bug("wrong-answer", f"`{name}` returned something that is not {what}", causes=[got])


def _list(name, result, kind, maker):
    what = f"a list made with `{maker}`"
    if isinstance(result, kind):
        raise _wrong(name, what, f"it is one {maker}, and no list: write `[…]` around it")
    if not isinstance(result, (list, tuple)):
        raise _wrong(name, what, f"it is {shown(result)}")
    for at, one in enumerate(result):
        if not isinstance(one, kind):
            raise _wrong(name, what, f"number {at + 1} of the list is {shown(one)}")
    return list(result)


def _outcome(name, result):
    if isinstance(result, str):
        return outcome(result)
    if not isinstance(result, Outcome):
        raise _wrong(name, "a text or an `outcome`", f"it is {shown(result)}")
    for output, value in result.outputs:
        if not isinstance(value, str):
            raise Failure.bug(
                "wrong-answer",
                f"`{name}` returned an output that is not a text",
                causes=[f"`{output}` is {shown(value)}"],
                hint="make a text of it, for example with `str(…)` or `json.dumps(…)`",
            )
    return result


def _verdict(result):
    if result is None:
        return Verdict.UNKNOWN
    if not isinstance(result, Verdict):
        raise _wrong("probe", "a `Verdict`", f"it is {shown(result)}")
    return result


def _intent(effect, id, summary, detail):
    what = f"intent.{effect.name.lower()}"
    check(what, "id", str, id)
    check(what, "summary", str, summary)
    return Intent(id, summary, detail if detail is None else check(what, "detail", str, detail), effect)


class intent:
    """What `plan` returns a list of: `intent.changes("id", "one line", "more for a person")`."""

    @staticmethod
    def reads(id, summary, detail=None):
        """Looks only."""
        return _intent(Effect.READS, id, summary, detail)

    @staticmethod
    def checks(id, summary, detail=None):
        """Looks at what is live, and fails where that is not as it must be."""
        return _intent(Effect.CHECKS, id, summary, detail)

    @staticmethod
    def changes(id, summary, detail=None):
        """Changes something, and can take it back."""
        return _intent(Effect.CHANGES, id, summary, detail)

    @staticmethod
    def irreversible(id, summary, detail=None):
        """Changes something that cannot be taken back."""
        return _intent(Effect.IRREVERSIBLE, id, summary, detail)

    @staticmethod
    def unknown(id, summary, detail=None):
        """Could not be found out."""
        return _intent(Effect.UNKNOWN, id, summary, detail)


def outcome(summary, outputs=None, findings=()):
    """What `apply` and `revert` return: one line for a person, and values for later steps."""
    check("outcome", "summary", str, summary)
    for one in findings:
        if not isinstance(one, Finding):
            raise TypeError(f"`findings` of `outcome` has to be a list made with `finding`, and there is {shown(one)} in it")
    return Outcome(summary, list(check("outcome", "outputs", dict, outputs or {}).items()), list(findings))


def finding(severity, code, message, file=None, line=None):
    """Something that was seen, with its place where it has one."""
    if not isinstance(severity, Severity):
        raise TypeError(f"`severity` of `finding` has to be a `Severity`, and is {shown(severity)}")
    check("finding", "code", str, code)
    check("finding", "message", str, message)
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

    @staticmethod
    def get(step, name):
        """The output of an earlier step, or none."""
        return _outputs.get(check("outputs.get", "step", str, step), check("outputs.get", "name", str, name))


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
        for name, value in (("done", done), ("total", total)):
            if value is not None:
                check("progress.update", name, int, value)
        _progress.update(check("progress.update", "message", str, message), done, total)


class report:
    """What goes into the summary of the run."""

    annotate = staticmethod(_report.annotate)

    @staticmethod
    def table(title, columns, rows):
        """A small table."""
        check("report.table", "title", str, title)
        _report.table(title, texts("report.table", "columns", columns), [[str(cell) for cell in row] for row in rows])

    @staticmethod
    def metric(name, value, unit):
        """A figure with its unit."""
        check("report.metric", "name", str, name)
        _report.metric(name, float(value), check("report.metric", "unit", str, unit))


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
        check("process.run", "program", str, program)
        words = texts("process.run", "arguments", arguments)
        for name, value in set_to:
            check("process.run", f"variables[{name!r}]", str, value)
        command = _process.Command(program, words, directory, set_to, given, where, timeout)
        return Completion(hosted(_process.run, command))


class network:
    """Granted ports."""

    @staticmethod
    def probe_tcp(host, port, timeout):
        """Connect and close at once: how long it took, in microseconds. `timeout` is in milliseconds."""
        check("network.probe_tcp", "host", str, host)
        check("network.probe_tcp", "port", int, port)
        return hosted(_network.probe_tcp, host, port, round(timeout))


class secrets:
    """Stand-ins for granted secrets: the host replaces each where it was granted for."""

    @staticmethod
    def placeholder(name):
        """The stand-in, or none where the secret is not set."""
        return hosted(_secrets.placeholder, check("secrets.placeholder", "name", str, name))

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
        return hosted(_state.get, check("state.get", "key", str, key))

    @staticmethod
    def set(key, value):
        """Keep a value."""
        hosted(_state.set, check("state.set", "key", str, key), str(value))


class environment:
    """Granted variables, which `os.environ` has too."""

    @staticmethod
    def get(name):
        """The value, or none."""
        return os.environ.get(name)
