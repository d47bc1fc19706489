"""The bounds of a verifier, in one place: how long things are believed, waited for and kept."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and counts. The defaults fit an API behind one issuer."""

    fresh_seconds: float = 300.0
    """A key set is used without asking again for so long."""
    stale_seconds: float = 3_600.0
    """A key set is used for so long while the issuer cannot be reached; then nothing can be verified any more."""
    floor_seconds: float = 10.0
    """Between two tries to fetch the key set, whatever tokens ask for."""
    budget_seconds: float = 2.0
    """The longest that one request waits for the issuer."""
    fetch_seconds: float = 5.0
    """The longest that a fetch may take; it goes on when a request has given up on it."""
    document_bytes: int = 262_144
    """The longest document that is read from the issuer."""
    most_tokens: int = 10_000
    """Tokens that are remembered as good."""
    most_headers: int = 256
    """Spellings of token headers that are remembered."""
