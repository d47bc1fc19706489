"""Whether the server in this container answers: the exit code is 0 for yes. A port names another server in it."""

from __future__ import annotations

import http.client
import os
import sys

SECONDS = 2


def alive(port: int) -> bool:
    """Ask /healthz, which says nothing of the store: an outage of the database must not restart its clients."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    listen = os.environ.get("EVERGRANT_SERVER_LISTEN", "0.0.0.0:8000")
    named = sys.argv[1] if len(sys.argv) > 1 else listen.rpartition(":")[2]
    sys.exit(0 if alive(int(named)) else 1)
