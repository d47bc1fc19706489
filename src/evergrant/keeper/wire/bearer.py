"""How a provider wants its access token presented (RFC 6750 section 2.1, and those who do it otherwise)."""

from typing import Final

from evergrant.domain.secret import Secret

AUTHORIZATION: Final = "Authorization"


def header(bearer: str, token: Secret) -> tuple[str, str]:
    """Name and value of the header that presents *token*; *bearer* is the provider's fact (`Provider.bearer`)."""
    name, colon, form = bearer.partition(":")
    if not colon:
        name, form = AUTHORIZATION, bearer
    return name.strip(), form.strip().replace("{token}", token.reveal())
