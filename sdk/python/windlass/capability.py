"""Asking for capabilities. Each says with `during` when it is needed: a list of `plan`, `apply` and `revert`."""

from wit_world.imports import windlass_plugin_types as types

from .check import check, shown, texts
from .failure import Failure
from .target import target_of

PHASES = {"plan": types.Phases.PLAN, "apply": types.Phases.APPLY, "revert": types.Phases.REVERT}
ACCESS = {"read": types.Access.READ, "write": types.Access.WRITE}


def _called(grant):
    """`Grant_TcpProbe` is `tcp-probe`."""
    name = type(grant).__name__.removeprefix("Grant_")
    return "".join(f"-{one.lower()}" if one.isupper() else one for one in name).lstrip("-")


def _access(what, access):
    if access not in ACCESS:
        raise TypeError(f"`access` of `{what}` has to be `read` or `write`, and is {shown(access)}")
    return ACCESS[access]


def _asked(grant, during):
    if isinstance(during, str) or not during:
        raise Failure.bug(
            "no-phases",
            f"the capability `{_called(grant)}` does not say when it is needed",
            causes=[f"its `during` is {shown(during)}, and a list of phases is wanted"],
            hint='write for example `during=["apply"]`; the phases are `plan`, `apply` and `revert`',
        )
    phases = types.Phases(0)
    for phase in during:
        if phase not in PHASES:
            raise Failure.bug("no-such-phase", f"`{phase}` is none of the phases `plan`, `apply` and `revert`")
        phases |= PHASES[phase]
    return types.Capability(grant, phases)


def _secret(name, usage, during):
    return _asked(types.Grant_Secret(types.Secret(check("capability", "name", str, name), usage)), during)


def _addresses(host, addresses):
    """The loopback where the host is that by its very name, or what is said."""
    if addresses is not None:
        return texts("capability", "addresses", addresses)
    is_loopback = host in ("localhost", "::1") or host.startswith("127.") or host.endswith(".localhost")
    return ["loopback"] if is_loopback else []


def exec(
    program,
    *,
    during,
    arguments=(),
    directory=".",
    variables=(),
    toolchains=(),
    background=False,
    writes=(),
    connects=(),
):
    """Run a program: a name on the search path, or a path relative to the project."""
    ports = types.Ports_Any() if connects == "any" else types.Ports_These(list(connects))
    what = "capability.exec"
    grant = types.Exec(
        check(what, "program", str, program),
        texts(what, "arguments", arguments),
        check(what, "directory", str, directory),
        texts(what, "variables", variables),
        texts(what, "toolchains", toolchains),
        check(what, "background", bool, background),
        texts(what, "writes", writes),
        ports,
    )
    return _asked(types.Grant_Exec(grant), during)


def http(url, *, during, methods=("GET",), path=None, addresses=None):
    """Send requests below a URL: `path` is the URL's, and a prefix where it ends in `/`."""
    target = target_of(url)
    place = (target.scheme, target.host, target.port, texts("capability.http", "methods", methods), path or target.path)
    return _asked(types.Grant_Http(types.Http(*place, _addresses(target.host, addresses))), during)


def tcp_probe(host, port, *, during, addresses=None):
    """Learn whether a port accepts connections."""
    what = "capability.tcp_probe"
    check(what, "host", str, host)
    check(what, "port", int, port)
    return _asked(types.Grant_TcpProbe(types.TcpProbe(host, port, _addresses(host, addresses))), during)


def directory(path, *, during, access="read"):
    """See a directory tree, relative to the project."""
    what = "capability.directory"
    return _asked(types.Grant_Directory(types.Directory(check(what, "path", str, path), _access(what, access))), during)


def environment(name, *, during):
    """Read a variable."""
    return _asked(types.Grant_Environment(check("capability.environment", "name", str, name)), during)


def database(name, *, during, url=None, access="read"):
    """Use a database, by a URL without a password, or by the secret of the same name where there is no `url`."""
    grant = types.Database(check("capability.database", "name", str, name), url, _access("capability.database", access))
    return _asked(types.Grant_Database(grant), during)


def secret_header(name, url, *, during):
    """Use a secret in a header of requests to the origin of this URL."""
    return _secret(name, types.SecretUse_Header(target_of(url).origin), during)


def secret_url(name, *, during, methods=("POST",), addresses=()):
    """Use a secret as a whole URL."""
    what = "capability.secret_url"
    usage = types.SecretUrl(texts(what, "methods", methods), texts(what, "addresses", addresses))
    return _secret(name, types.SecretUse_Url(usage), during)


def secret_database(name, *, during):
    """Use a secret as the URL of the database of the same name."""
    return _secret(name, types.SecretUse_Database(), during)


def secret_variable(name, variable, *, during, program=None):
    """Use a secret as this variable of one program, or of each that is granted."""
    return _secret(name, types.SecretUse_ChildVariable(types.SecretVariable(variable, program)), during)
