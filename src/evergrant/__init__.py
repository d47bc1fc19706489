"""Evergrant: refresh tokens, issued, rotated, kept and revoked, on both ends of the wire.

What lives here: the public door, and nothing else; importing it loads no room. What must not: code.
Each side has a door of its own: `evergrant.issuer`, `evergrant.keeper`, `evergrant.resource`.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
