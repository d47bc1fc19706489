"""Evergrant's own command line with the crash points in it: `python -m tests.faults.crashing_server serve …`.

Also imported by each worker process, which is started afresh and must have the points too. What must not live here:
anything that changes what a server does while no point is armed.
"""

import sys

from tests.faults import crash_points

if __name__ in {"__main__", "__mp_main__"}:
    crash_points.install()

if __name__ == "__main__":
    from evergrant.cli import main

    sys.exit(main())
