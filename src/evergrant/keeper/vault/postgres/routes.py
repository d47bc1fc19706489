"""Which connection an intent belongs to, as far as this process knows: a reply then finds its row by its connection."""

import threading
from collections import OrderedDict
from typing import Final

from evergrant.keeper.connection import Intent

MOST: Final = 10_000


class Routes:
    """Remembers the latest ones; forgetting one costs a question. Safe between threads."""

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._known: OrderedDict[str, str] = OrderedDict()

    def note(self, intent: Intent) -> None:
        """Remember where *intent* belongs."""
        with self._gate:
            self._known[intent.id] = intent.connection_id
            self._known.move_to_end(intent.id)
            if len(self._known) > MOST:
                self._known.popitem(last=False)

    def of(self, intent_id: str) -> str:
        """The connection's id, empty when it is not known."""
        with self._gate:
            return self._known.get(intent_id, "")
