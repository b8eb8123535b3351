"""A URL, taken apart as far as a capability needs it."""

import re
from collections import namedtuple

from .failure import Failure

Target = namedtuple("Target", "scheme host port path origin")
URL = re.compile(r"(https?)://([^/?#]*)([^?#]*)")
AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d+))?", re.IGNORECASE)


def target_of(url):
    """Scheme, host, port, path and origin. Holes such as `${deployment.version}` may stand in the path and the query."""

    def no(why):
        return Failure.misconfigured("invalid-url", f"`{url}` is not a URL to send requests to", causes=[why])

    parts = URL.match(url)
    if not parts:
        raise no("it does not begin with `https://` or `http://`")
    scheme, authority, path = parts.groups()
    if "${" in authority:
        raise no("a host or a port cannot be known only at run time")
    if "@" in authority:
        raise no("it holds a user name or a password")
    place = AUTHORITY.fullmatch(authority)
    usual = 443 if scheme == "https" else 80
    port = int(place.group(3) or usual) if place else 0
    if not 0 < port < 65536:
        raise no("its host or its port is none")
    host = (place.group(1) or place.group(2)).lower()
    shown = f"[{host}]" if place.group(1) else host
    return Target(scheme, host, port, path or "/", f"{scheme}://{shown}{'' if port == usual else f':{port}'}")
