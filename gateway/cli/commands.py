"""All commands by name."""

from __future__ import annotations

import typer

from tongguan.gateway.cli import checking, starting
from tongguan.gateway.cli.here import command

app = typer.Typer(
    name="tongguan",
    help="通关网关 / a gateway between enterprises and the Single Window's authorities",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

command(app, "init", homeless=True)(starting.init)
command(app, "demo", homeless=True)(starting.demo)
command(app, "run")(starting.run)
command(app, "simulate")(starting.simulate)
command(app, "check")(checking.check)
