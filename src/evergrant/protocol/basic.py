"""HTTP Basic as OAuth uses it: id and secret are form-encoded first (RFC 6749 section 2.3.1, RFC 7617)."""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from urllib.parse import quote_plus

from evergrant.protocol.form import BadForm, FormLimits, parse_form

_ONE = FormLimits(1, 8_192)


def read_basic(header: str) -> tuple[str, str] | None:
    """Client id and secret of an `Authorization: Basic` header, or None when it is not a well-formed one."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        raw = b64decode(encoded.strip(), validate=True)
        name, colon, secret = raw.partition(b":")
        if not colon:
            return None
        return _decoded(name), _decoded(secret)
    except (NotBase64, ValueError):
        return None


def write_basic(client_id: str, secret: str) -> str:
    """The header a client sends."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + b64encode(pair.encode()).decode("ascii")


def _decoded(raw: bytes) -> str:
    if b"&" in raw or b"=" in raw:
        raw = raw.replace(b"&", b"%26").replace(b"=", b"%3D")
    found = parse_form(b"value=" + raw, _ONE).get("value")
    if found is None and raw:
        raise BadForm
    return found or ""
