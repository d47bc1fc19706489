"""The command line: `evergrant VERB …`, one file per verb.

What lives here: options, sentences and tables; asking before something cannot be undone; choosing an exit code. What
must not: a rule of the issuer (`issuer.service` decides, and serves pages and endpoints alike), a way to a terminal
other than `output`, a way to the store other than `place`, a heavy import at the top of a module: a verb imports its
rooms when it is called, so that `evergrant --help` costs next to nothing.
Neighbours: what is opened for a verb is put together in `evergrant.assembly`; what `serve` runs is `evergrant.serving`.
"""

from collections.abc import Sequence

from evergrant.cli import output
from evergrant.cli.verbs import evergrant

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return output.run(evergrant, arguments)
