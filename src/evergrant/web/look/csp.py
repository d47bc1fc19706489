"""The headers that every page of ours carries, as data.

What lives here: the policy of a page, given where its forms lead and which script it runs, and what all pages share.
What must not: which page that is (each side has a table of its own), a decision about who may see it, text.

A browser that enforces `form-action` (Chromium does) holds it against every redirect that follows a form's POST, and
not only against the first. Signing in ends in a redirect to the client, so the client's address has to be named on the
page that carries the form, and the client may well send the browser on: a broker such as another authorization server
always does. Naming the client's origin alone strands those users at a button that does nothing. So `form_targets_of`
names `https:` beside the client, any port where the client is on this machine, and the scheme alone where it is a
private-use one. What the directive still forbids is a password travelling in clear or into a script; what keeps
strangers' forms off the pages in the first place is escaping.
"""

import re
from base64 import b64encode
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

Headers = tuple[tuple[bytes, bytes], ...]

_ORIGIN: Final = re.compile(r"https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:([0-9]{1,5}|\*))?\Z")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*:\Z")
# With one of these in the list a form could become a script or leave by a scheme that no client may register.
_NEVER: Final = frozenset(
    {"javascript:", "data:", "blob:", "filesystem:", "vbscript:", "about:", "file:", "view-source:"}
)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})
HERE: Final = "'self'"
NOWHERE: Final = "'none'"

ALWAYS: Final[Headers] = (
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


def page_headers(forms: tuple[str, ...], *, script: str = "", alone: bool = False) -> Headers:
    """The headers of a page whose forms may lead to *forms*, without its content type.

    *forms*: sources as `form_targets_of` gives them, or `'self'` first; empty for a page without forms. *script*: the
    text of the one script it may run. *alone*: no other window may hold on to it.
    Raises `ValueError` for a target that could be read as anything but one source.
    """
    for target in forms:
        if target != HERE and (not (_ORIGIN.match(target) or _SCHEME.match(target)) or target in _NEVER):
            raise ValueError(f"not a source for form-action: {target!r}")
    policy = [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        f"form-action {' '.join(forms or (NOWHERE,))}",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
    if script:
        digest = b64encode(sha256(script.encode()).digest()).decode()
        policy.insert(1, f"script-src 'sha256-{digest}'")
    apart: Headers = ((b"cross-origin-opener-policy", b"same-origin"),) if alone else ()
    return ((b"content-security-policy", "; ".join(policy).encode("ascii")), *ALWAYS, *apart)


def form_targets_of(redirect_uri: str | None) -> tuple[str, ...]:
    """What `form-action` has to admit for a flow that ends at *redirect_uri*; empty for an address it cannot name."""
    if not redirect_uri:
        return ()
    try:
        parts = urlsplit(redirect_uri)
        scheme, host, port = f"{parts.scheme.lower()}:", parts.hostname or "", parts.port
    except ValueError:
        return ()
    if scheme == "https:":
        return ("https:",)
    if scheme != "http:":
        return (scheme,) if _SCHEME.match(scheme) and scheme not in _NEVER else ()
    if host in _LOOPBACK:
        return ("http://127.0.0.1:*", "http://localhost:*", "https:")
    origin = f"http://{host}" if port is None else f"http://{host}:{port}"
    # The grammar of the directive has no place for `[::1]`; the scheme is the narrowest thing that admits it.
    return (origin, "https:") if _ORIGIN.match(origin) else ("http:", "https:")


def static_headers(etag: str) -> Headers:
    """The headers of a static file: its name holds its hash, so whoever has it never asks again."""
    return (
        (b"cache-control", b"public, max-age=31536000, immutable"),
        (b"etag", etag.encode("ascii")),
        (b"x-content-type-options", b"nosniff"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    )
