"""The command line. Every command and exit code is part of what users' scripts rely on.

Looks into the journal beside the daemon and leaves orders for it; never writes anything the daemon owns.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `tongguan`; always ends with SystemExit."""
    # Imported late: what only needs the package pays for nothing more.
    from tongguan.gateway.cli.commands import make_app

    words = list(sys.argv[1:] if arguments is None else arguments)
    make_app(words)(args=words, prog_name="tongguan")
