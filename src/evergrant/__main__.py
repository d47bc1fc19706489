"""`python -m evergrant`: the command line, where no script is on the path. Nothing but the call lives here."""

import sys

from evergrant.cli import main

sys.exit(main())
