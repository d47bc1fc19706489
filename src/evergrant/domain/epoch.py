"""Epochs: how often this store is known to have lost what it had acknowledged.

A restored backup, or a failover to a replica that was behind, makes a store forget rotations: spent tokens look
unspent, and the tokens that replaced them look as if they came from the future (attacks O-03, O-13). Tokens alone
cannot tell that from theft or forgery; whoever restored can, and begins an epoch. Every rotation writes the epoch into
its family, so a family whose last word is older is one of before.
"""

from typing import NamedTuple


class Epoch(NamedTuple):
    """The epoch in force. *restored* is the newest one before which a family's stored head may be a spent token.

    A restored backup moves both. A failover that lost its last moments moves *number* alone: then what is stored is
    trusted, and only what is ahead of it is known to be of before.
    """

    number: int = 0
    restored: int = 0

    def following(self, *, heads_trusted: bool) -> "Epoch":
        """The epoch that begins now."""
        number = self.number + 1
        return Epoch(number, self.restored if heads_trusted else number)
