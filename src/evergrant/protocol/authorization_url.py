"""Where a client sends the browser: the authorization request as an address (RFC 6749 section 4.1.1)."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit


def authorization_url(endpoint: str, params: Mapping[str, str]) -> str:
    """The endpoint with *params*, whose empty members are left out; a query of its own is kept (section 3.1).

    Raises `ValueError` when the endpoint's query already has one of the parameters: a server may read either.
    """
    parts = urlsplit(endpoint)
    own = parse_qsl(parts.query, keep_blank_values=True)
    twice = sorted({name for name, _ in own} & set(params))
    if twice:
        msg = f"the authorization endpoint's own query has {', '.join(twice)}"
        raise ValueError(msg)
    asked = [(name, value) for name, value in params.items() if value]
    return urlunsplit(parts._replace(query=urlencode(own + asked, quote_via=quote), fragment=""))
