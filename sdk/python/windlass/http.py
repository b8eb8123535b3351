"""A small HTTP client over `wasi:http`. Redirects are answers, never followed: where one leads would need a grant of its own."""

import json as _json

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler, streams
from wit_world.imports import wasi_http_types as wasi
from wit_world.imports.windlass_plugin_types import FailureKind

from .failure import Failure

KEPT = 8 << 20
CHUNK = 4096

# What helps where a request was denied; the host says the same of other things.
ASK = (
    "if it should be, the plugin has to ask for it in `requires`, for this phase; "
    "then run `windlass lock` and have the change to `deploy.lock` reviewed"
)

METHODS = {
    "GET": wasi.Method_Get,
    "HEAD": wasi.Method_Head,
    "POST": wasi.Method_Post,
    "PUT": wasi.Method_Put,
    "DELETE": wasi.Method_Delete,
    "OPTIONS": wasi.Method_Options,
    "PATCH": wasi.Method_Patch,
}
DENIED = (wasi.ErrorCode_HttpRequestDenied, wasi.ErrorCode_DestinationIpProhibited)
UNREACHABLE = [
    ("dns", "no such host", ("DnsTimeout", "DnsError", "DestinationNotFound")),
    ("connection-refused", "the connection was refused", ("ConnectionRefused",)),
    ("unreachable", "it cannot be reached", ("DestinationUnavailable", "DestinationIpUnroutable")),
    ("timed-out", "it did not answer in time", ("ConnectionTimeout", "ConnectionReadTimeout", "HttpResponseTimeout")),
    ("tls", "the TLS connection could not be made", ("TlsProtocolError", "TlsCertificateError", "TlsAlertReceived")),
    ("closed", "the connection was closed", ("ConnectionTerminated", "HttpResponseIncomplete")),
]


class Response:
    """An answer, which is one whatever its status is."""

    def __init__(self, what, status, headers, content, truncated):
        self.what, self.status, self.headers, self.content, self.truncated = what, status, headers, content, truncated

    @property
    def ok(self):
        """Whether the status says so."""
        return 200 <= self.status < 300

    @property
    def text(self):
        """The body as text."""
        return self.content.decode(errors="replace")

    def header(self, name):
        """The first header of this name."""
        return next((value for other, value in self.headers if other == name.lower()), None)

    def json(self):
        """The body, read as JSON."""
        try:
            return _json.loads(self.content)
        except ValueError as error:
            raise Failure.unavailable(
                "not-json", f"the answer to `{self.what}` is not JSON", causes=[str(error)]
            ) from None


def get(url, **options):
    """A `GET`."""
    return request(url, method="GET", **options)


def post(url, **options):
    """A `POST`."""
    return request(url, method="POST", **options)


def request(url, *, method="GET", headers=None, body=b"", json=None, timeout=None, keep=KEPT):
    """Send a request and wait for its answer; `timeout` is in milliseconds."""
    what = f"{method} {url}"

    def allowed(why, function, *arguments):
        try:
            return function(*arguments)
        except Err:
            raise _invalid(what, why) from None

    scheme, authority, path = _taken_apart(what, url)
    content = _json.dumps(json).encode() if json is not None else body.encode() if isinstance(body, str) else body
    fields = [(name, str(value).encode()) for name, value in (headers or {}).items()]
    if json is not None:
        fields.append(("content-type", b"application/json; charset=utf-8"))
    if content:
        fields.append(("content-length", str(len(content)).encode()))
    outgoing = wasi.OutgoingRequest(allowed("a header is not allowed", wasi.Fields.from_list, fields))
    verb = METHODS[method]() if method in METHODS else wasi.Method_Other(method)
    allowed("the method is none", outgoing.set_method, verb)
    allowed("the scheme is none", outgoing.set_scheme, scheme)
    allowed("the host is none", outgoing.set_authority, authority)
    allowed("the path is none", outgoing.set_path_with_query, path)
    options = wasi.RequestOptions()
    if timeout is not None:
        nanoseconds = int(timeout * 1_000_000)
        options.set_connect_timeout(nanoseconds)
        options.set_first_byte_timeout(nanoseconds)
        options.set_between_bytes_timeout(nanoseconds)
    sink = outgoing.body()
    try:
        future = outgoing_handler.handle(outgoing, options)
    except Err as error:
        raise _explain(what, error.value) from None
    with future:
        _send(sink, content)
        return _receive(what, future, keep)


def _invalid(what, why):
    return Failure.misconfigured("invalid-request", f"`{what}` cannot be sent: {why}")


def _taken_apart(what, url):
    scheme, found, rest = url.partition("://")
    if not found:
        raise _invalid(what, "the URL has no scheme")
    if scheme not in ("http", "https"):
        raise _invalid(what, f"the scheme `{scheme}` is neither `http` nor `https`")
    rest = rest.split("#")[0]
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    path = rest[end:]
    kind = wasi.Scheme_Https() if scheme == "https" else wasi.Scheme_Http()
    return kind, rest[:end], path if path.startswith("/") else f"/{path}"


def _send(sink, content):
    """A server may answer before it has read everything, and its answer is what counts: so what cannot be sent is left."""
    try:
        with sink.write() as stream:
            for at in range(0, len(content), CHUNK):
                stream.blocking_write_and_flush(content[at : at + CHUNK])
        wasi.OutgoingBody.finish(sink, None)
    except Err:
        pass


def _receive(what, future, keep):
    with future.subscribe() as pollable:
        pollable.block()
    answer = future.get()
    if not isinstance(answer, Ok):
        raise Failure.unavailable("failed", f"`{what}` came to nothing")
    if not isinstance(answer.value, Ok):
        raise _explain(what, answer.value.value)
    with answer.value.value as incoming:
        with incoming.headers() as fields:
            headers = [(name.lower(), value.decode(errors="replace")) for name, value in fields.entries()]
        with incoming.consume() as body, body.stream() as stream:
            content, truncated = _read_all(what, stream, keep)
        return Response(what, incoming.status(), headers, content, truncated)


def _read_all(what, stream, keep):
    content = bytearray()
    while len(content) <= keep:
        try:
            content += stream.blocking_read(64 << 10)
        except Err as error:
            if isinstance(error.value, streams.StreamError_Closed):
                return bytes(content), False
            why = error.value.value.to_debug_string()
            raise Failure.unavailable("closed", f"the answer to `{what}` broke off: {why}") from None
    return bytes(content[:keep]), True


def _explain(what, error):
    if isinstance(error, DENIED):
        return Failure(FailureKind.DENIED, "http-denied", f"`{what}` was denied", hint=ASK)
    name = type(error).__name__.removeprefix("ErrorCode_")
    found = next(((code, text) for code, text, names in UNREACHABLE if name in names), ("failed", "it failed"))
    plain = found[0] in ("connection-refused", "timed-out", "closed")
    return Failure.unavailable(found[0], f"`{what}`: {found[1]}{'' if plain else f' ({name})'}")
