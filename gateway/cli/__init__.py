"""The command line. Every command and exit code is part of what users' scripts rely on.

Looks into the journal beside the daemon and leaves orders for it; never writes anything the daemon owns.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `tongguan`; always ends with SystemExit."""
    # Imported late: `python -m tongguan.gateway.cli` and shell completion pay only for what they use.
    from tongguan.gateway.cli.commands import app

    app(args=arguments, prog_name="tongguan")
