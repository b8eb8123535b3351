"""Failures, which are the contract's, and exceptions, which are not."""

import errno
import traceback

from componentize_py_types import Err
from wit_world.imports import windlass_plugin_types as types

from .check import check, shown

KINDS = types.FailureKind


class Failure(Exception):
    """Why something could not be done. Raise it: the host tells a person of it."""

    def __init__(self, kind, code, message, causes=(), hint=None, note=None):
        if not isinstance(kind, KINDS):
            better = "write `Failure.misconfigured(code, message)`, or another of its kinds"
            raise TypeError(f"`kind` of `Failure` is {shown(kind)}: {better}")
        check("Failure", "code", str, code)
        super().__init__(check("Failure", "message", str, message))
        if isinstance(causes, str):
            raise TypeError(f"`causes` of `Failure` has to be a list, and is {shown(causes)}")
        for name, value in (("hint", hint), ("note", note)):
            if value is not None:
                check("Failure", name, str, value)
        self.kind, self.code, self.message = kind, code, message
        self.causes, self.hint, self.note = list(causes), hint, note

    @classmethod
    def check_failed(cls, code, message, **more):
        """What was looked at is not as it must be: the check worked, and its answer is no."""
        return cls(KINDS.CHECK_FAILED, code, message, **more)

    @classmethod
    def misconfigured(cls, code, message, **more):
        """The configuration or a file of the project is wrong: trying again does not help."""
        return cls(KINDS.MISCONFIGURED, code, message, **more)

    @classmethod
    def unavailable(cls, code, message, **more):
        """Something needed did not answer or is not there: trying again may help."""
        return cls(KINDS.UNAVAILABLE, code, message, **more)

    @classmethod
    def bug(cls, code, message, **more):
        """The plugin broke a promise of its own."""
        return cls(KINDS.BUG, code, message, **more)


# What the system says where a file may not be changed.
LOCKED = (errno.EPERM, errno.EROFS)


def hosted(function, *arguments):
    """Asks the host; its failure becomes one that can be caught as a `Failure`."""
    try:
        return function(*arguments)
    except Err as error:
        value = error.value
        if not isinstance(value, types.Failure):
            raise
        raise Failure(value.kind, value.code, value.message, value.causes, value.hint, value.note) from None


def guarded(name, work):
    """A call of the contract: what it raises reaches the host as a failure, also where it is an exception."""
    try:
        return work()
    except Failure as failure:
        found = failure
    except BaseException as error:  # noqa: BLE001, what is not caught here is a trap that says nothing
        found = _exception(name, error)
    causes = [str(cause) for cause in found.causes]
    raise Err(types.Failure(found.kind, found.code, found.message, causes, found.hint, found.note))


def _exception(name, error):
    """An exception that nobody caught: what it says, and where in the plugin it was raised."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/windlass/" not in frame.filename]
    places = [f"at {frame.name} ({frame.filename.rsplit('/', 1)[-1]}:{frame.lineno})" for frame in reversed(frames)]
    said = "".join(traceback.format_exception_only(error)).strip()
    hint = "this is a bug in the plugin: mend it there, or raise a `Failure` where the step is to fail"
    if name in ("plan", "probe") and isinstance(error, OSError) and error.errno in LOCKED:
        hint = f"in `{name}` every directory is read-only: do it in `apply`"
    causes = [said, *places]
    return Failure.bug("exception", f"`{name}` of the plugin raised an exception", causes=causes, hint=hint)
