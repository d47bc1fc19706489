"""What lies in a vault, as plain rows: the same tables with the same columns in the same order in each that can move.

What lives here: their names and columns. What must not: SQL. What belongs to a connection is kept together by its id.
Everything sealed moves as it is.
"""

from typing import Final

from evergrant.store.bulk import Layout, Table

CONNECTION: Final = Table(
    "connection",
    ("id", "tenant", "client", "provider", "account", "user_", "health", "version", "retry_at", "tags", "document"),
)
TAG: Final = Table("tag", ("connection_id", "name", "value"), ordered=True, grouped=True)
RECORD: Final = Table(
    "record",
    (
        "connection_id", "name", "version", "due_at", "asleep", "used_at", "previous_until", "fingerprint",
        "access_token", "refresh_token", "previous", "document",
    ),
    ordered=True, grouped=True,
)  # fmt: skip
CLAIM: Final = Table(
    "claim", ("connection_id", "name", "owner", "fence", "until", "length"), ordered=True, grouped=True
)
INTENT: Final = Table(
    "intent", ("connection_id", "id", "name", "step", "deadline", "noted_by", "reply", "document"),
    ordered=True, grouped=True,
)  # fmt: skip
PENDING: Final = Table("pending", ("state_digest", "connection_id", "until", "sealed", "document"), ordered=True)
KEPT: Final = Table("kept", ("name", "sealed"), ordered=True)
LETTER: Final = Table("letter", ("id", "due", "document"), ordered=True)
API_KEY: Final = Table("api_key", ("id", "tenant", "document"), ordered=True)
TRAIL: Final = Table("trail", ("id", "swept", "swept_chain", "last", "last_chain"), ordered=True)
EVENT: Final = Table("event", ("number", "at", "tenant", "connection_id", "chain", "document"), ordered=True)
FENCE: Final = "fence"
VAULT: Final = Layout(
    kind="evergrant keeper backup",
    tables=(KEPT, API_KEY, CONNECTION, TAG, RECORD, CLAIM, INTENT, PENDING, LETTER, TRAIL, EVENT),
    behind=(),
    numbered=(FENCE,),
    # What a keeper makes that has opened a new vault, and nothing else.
    furniture=frozenset({KEPT.name, TRAIL.name}),
)
DOCUMENT: Final = "document"
