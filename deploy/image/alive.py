"""Whether the server in this container answers, issuer or keeper: the exit code is 0 for yes. A port names another."""

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
    places = {"EVERGRANT_SERVER_LISTEN": "0.0.0.0:8000", "EVERGRANT_KEEPER_LISTEN": "0.0.0.0:8100"}
    ports = sys.argv[1:] or [os.environ.get(name, usual).rpartition(":")[2] for name, usual in places.items()]
    sys.exit(0 if any(alive(int(port)) for port in ports) else 1)
