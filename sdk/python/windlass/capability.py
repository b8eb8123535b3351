"""Asking for capabilities. Each says with `during` when it is needed: a list of `plan`, `apply` and `revert`."""

from wit_world.imports import windlass_plugin_types as types

from .failure import Failure
from .target import target_of

PHASES = {"plan": types.Phases.PLAN, "apply": types.Phases.APPLY, "revert": types.Phases.REVERT}
ACCESS = {"read": types.Access.READ, "write": types.Access.WRITE}


def _asked(grant, during):
    phases = types.Phases(0)
    for phase in during:
        if phase not in PHASES:
            raise Failure.bug("no-such-phase", f"`{phase}` is none of the phases `plan`, `apply` and `revert`")
        phases |= PHASES[phase]
    return types.Capability(grant, phases)


def _secret(name, usage, during):
    return _asked(types.Grant_Secret(types.Secret(name, usage)), during)


def _addresses(host, addresses):
    """The loopback where the host is that by its very name, or what is said."""
    if addresses is not None:
        return list(addresses)
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
    lists = (list(arguments), directory, list(variables), list(toolchains), background, list(writes))
    return _asked(types.Grant_Exec(types.Exec(program, *lists, ports)), during)


def http(url, *, during, methods=("GET",), path=None, addresses=None):
    """Send requests below a URL: `path` is the URL's, and a prefix where it ends in `/`."""
    target = target_of(url)
    place = (target.scheme, target.host, target.port, list(methods), path or target.path)
    return _asked(types.Grant_Http(types.Http(*place, _addresses(target.host, addresses))), during)


def tcp_probe(host, port, *, during, addresses=None):
    """Learn whether a port accepts connections."""
    return _asked(types.Grant_TcpProbe(types.TcpProbe(host, port, _addresses(host, addresses))), during)


def directory(path, *, during, access="read"):
    """See a directory tree, relative to the project."""
    return _asked(types.Grant_Directory(types.Directory(path, ACCESS[access])), during)


def environment(name, *, during):
    """Read a variable."""
    return _asked(types.Grant_Environment(name), during)


def database(name, *, during, url=None, access="read"):
    """Use a database, by a URL without a password, or by the secret of the same name where there is no `url`."""
    return _asked(types.Grant_Database(types.Database(name, url, ACCESS[access])), during)


def secret_header(name, url, *, during):
    """Use a secret in a header of requests to the origin of this URL."""
    return _secret(name, types.SecretUse_Header(target_of(url).origin), during)


def secret_url(name, *, during, methods=("POST",), addresses=()):
    """Use a secret as a whole URL."""
    return _secret(name, types.SecretUse_Url(types.SecretUrl(list(methods), list(addresses))), during)


def secret_database(name, *, during):
    """Use a secret as the URL of the database of the same name."""
    return _secret(name, types.SecretUse_Database(), during)


def secret_variable(name, variable, *, during, program=None):
    """Use a secret as this variable of one program, or of each that is granted."""
    return _secret(name, types.SecretUse_ChildVariable(types.SecretVariable(variable, program)), during)
