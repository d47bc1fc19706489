"""An end as it is told: written in the transaction that made it, read by everybody who must act on it.

What lives here: the value. Where ends are told, at one place for every store, is `evergrant.store.applying`; what
resource servers are sent of it is `evergrant.protocol.ending`.
Ends by mere expiry are not told: no access token outlives its family's idle or absolute end.
"""

from typing import NamedTuple


class End(NamedTuple):
    """One end. *at* in seconds since the epoch, *reason* as `domain.reason` has it; what does not apply is empty.

    *families* and *sessions* are public ids. *jti* is one access token. *every*: all tokens of the account, the client,
    or the client's grant by the account, issued at or before *at*; else *account_id* and *client_id* only say whose it
    was. An end that names an account and nothing else says that all the account held is over.
    """

    at: int
    reason: str
    account_id: str = ""
    client_id: str = ""
    families: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    jti: str = ""
    every: bool = False
