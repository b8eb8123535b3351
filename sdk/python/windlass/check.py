"""Whether a value is of the kind that the host takes: what is not would end the plugin without a word."""

import difflib

KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "`True` or `False`", list: "a list", dict: "a dictionary"}


def shown(value):
    """What a value is, for a person."""
    if value is None or isinstance(value, (bool, int, float)):
        return f"`{value!r}`"
    if isinstance(value, str):
        return f"the text `{value if len(value) <= 60 else value[:60] + '…'}`"
    if isinstance(value, list) and not value:
        return "an empty list"
    if callable(value):
        return "a function"
    return KINDS.get(type(value), f"a `{type(value).__name__}`")


def check(what, name, kind, value):
    """One value of what `what` takes."""
    if not isinstance(value, kind):
        raise TypeError(f"`{name}` of `{what}` has to be {KINDS[kind]}, and is {shown(value)}")
    return value


def texts(what, name, value):
    """Texts, in something that has an order. One text is not meant to be the letters that it has."""
    if isinstance(value, str):
        raise TypeError(f"`{name}` of `{what}` has to be a list of texts, and is {shown(value)}")
    return [check(what, f"{name}[{at}]", str, one) for at, one in enumerate(value)]


def known(what, given, names):
    """That there are no other names than these."""
    for name in given:
        if name not in names:
            meant = difflib.get_close_matches(str(name), names, 1)
            hint = f"; did you mean `{meant[0]}`?" if meant else ""
            listed = ", ".join(f"`{one}`" for one in names[:-1])
            raise TypeError(f"`{what}` knows no `{name}`, only {listed} and `{names[-1]}`{hint}")
