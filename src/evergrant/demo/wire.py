"""What went over the wire, kept so that it can be shown: names, values and answers, with every secret cut short."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from evergrant.domain.secret import fingerprint
from evergrant.domain.token import kind_of

SECRETS: Final = frozenset(
    {"refresh_token", "access_token", "id_token", "code", "code_verifier", "token", "client_secret"}
)


class Exchange(NamedTuple):
    """One request to the issuer and its answer, as they may be shown. *source*: the address it was sent from."""

    request: str
    sent: tuple[tuple[str, str], ...]
    status: int
    got: tuple[tuple[str, str], ...]
    source: str = ""


def exchange(
    request: str, sent: Iterable[tuple[str, str]], status: int, got: Mapping[str, Any], source: str = ""
) -> Exchange:
    """An exchange without its secrets."""
    return Exchange(
        request,
        tuple((name, _shown(name, value)) for name, value in sent),
        status,
        tuple((name, _shown(name, str(value))) for name, value in got.items()),
        source,
    )


def _shown(name: str, value: str) -> str:
    return cut(value) if name in SECRETS else value


def cut(secret: str) -> str:
    """What kind of secret it is and its fingerprint: enough to compare two, useless to a thief."""
    start = kind_of(secret) or ("eyJ" if secret.startswith("eyJ") else "")
    return f"{start}… {fingerprint(secret)}"
