"""What lies in the issuer's stores, as plain rows: the same tables with the same columns in the same order in each."""

from typing import Final

from evergrant.domain.event import Event
from evergrant.domain.family import Family, Head
from evergrant.store.bulk import Layout, Table
from evergrant.store.shape import SHAPES

FAMILY: Final = Table("family", (*Family._fields[:-2], *Head._fields, "ended_at", "reason"), ordered=True)
EVENT: Final = Table("event", ("number", *Event._fields), ordered=True)
ENDING: Final = Table("ending", ("number", "at", "document"), ordered=True)
META: Final = Table("meta", ("name", "value"))
_RECORDS: Final = tuple(Table(shape.table, (shape.key, *shape.found_by, "ends", "document")) for shape in SHAPES)
# The leases are the old place's: who keeps house there has no say in the new one.
_LEASES: Final = tuple(table for table in _RECORDS if table.name == "lease")
ISSUER: Final = Layout(
    kind="evergrant backup",
    tables=(META, *(table for table in _RECORDS if table not in _LEASES), FAMILY, EVENT, ENDING),
    behind=_LEASES,
    numbered=(EVENT.name, ENDING.name),
    furniture=frozenset({"meta", "key_", "event", "ending"}),
)
