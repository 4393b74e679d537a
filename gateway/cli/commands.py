"""All commands by name. A command's module is imported when the command is typed: the others cost it nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

import typer

from tongguan.gateway.cli.context import command


@dataclass(frozen=True)
class Command:
    """Where a command's function is; with `made_of` it is made by calling that with these words."""

    module: str
    name: str
    made_of: tuple[str, ...] = ()
    homeless: bool = False


@dataclass(frozen=True)
class CommandGroup:
    """Commands under one word."""

    text: str
    commands: Mapping[str, Command]


COMMANDS: Mapping[str, Command | CommandGroup] = {
    "init": Command("setup.commands", "init", homeless=True),
    "demo": Command("setup.commands", "demo", homeless=True),
    "run": Command("setup.commands", "run"),
    "simulate": Command("setup.commands", "simulate"),
    "check": Command("profiles.check", "check"),
    "bench": Command("health.bench", "bench", homeless=True),
    "list": Command("messages.views", "list_messages"),
    "show": Command("messages.views", "show"),
    "timeline": Command("messages.views", "timeline"),
    "answers": Command("messages.views", "answers"),
    "documents": Command("messages.documents", "documents"),
    "hold": Command("messages.orders", "acting", ("hold", "暂停处理报文", "Hold messages for a person")),
    "release": Command("messages.orders", "acting", ("release", "放行暂挂的报文", "Let held messages go on")),
    "retry": Command("messages.orders", "acting", ("retry", "立即重试", "Try again now")),
    "stop": Command("messages.orders", "acting", ("stop", "停止尚未生效的报文", "Stop messages before they take effect")),
    "give-up": Command("messages.orders", "acting", ("give-up", "放弃报文", "Give messages up")),
    "pause": Command("messages.orders", "switching", ("pause", "暂停账户或通道", "Pause an account or a route")),
    "resume": Command("messages.orders", "switching", ("resume", "恢复账户或通道", "Resume an account or a route")),
    "quarantine": CommandGroup(
        "隔离的回执 / receipts that are not believed",
        {
            "list": Command("messages.quarantine", "list_receipts"),
            "show": Command("messages.quarantine", "show"),
            "apply": Command(
                "messages.quarantine", "acting", ("apply", "重新验证并应用", "Verify again, and apply if it is right now")
            ),
            "drop": Command("messages.quarantine", "acting", ("drop", "丢弃", "Drop it")),
        },
    ),
    "card": CommandGroup(
        "卡 / cards: what is in the readers, bind, test, PIN",
        {
            "list": Command("cards.cards", "list_cards"),
            "bind": Command("cards.cards", "bind"),
            "test": Command("cards.cards", "test"),
            "pin": Command("cards.pin", "pin"),
        },
    ),
    "mailbox": CommandGroup(
        "信箱 / mailboxes: what is wrong with them; take a folder as one",
        {
            "list": Command("setup.mailboxes", "list_mailboxes"),
            "adopt": Command("setup.mailboxes", "adopt"),
        },
    ),
    "profiles": Command("profiles.profiles", "profiles"),
    "status": Command("health.commands", "status"),
    "doctor": Command("health.commands", "doctor"),
    "config": CommandGroup("设置 / settings", {"check": Command("health.commands", "config_check")}),
    "audit": CommandGroup(
        "审计 / the history",
        {
            "verify": Command("health.audit", "verify"),
            "list": Command("health.audit", "listing"),
            "accept": Command("health.audit", "accept"),
        },
    ),
}


def make_app(words: Sequence[str] = ()) -> typer.Typer:
    """The program; when its first word is a command's, with that command alone."""
    app = typer.Typer(
        name="tongguan",
        help="通关网关 / a gateway between enterprises and the Single Window's authorities",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_nothing)
    _add(app, {words[0]: COMMANDS[words[0]]} if words and words[0] in COMMANDS else COMMANDS)
    return app


def _nothing() -> None:
    """Make even one command a word of its own."""


def _add(app: typer.Typer, commands: Mapping[str, Command | CommandGroup]) -> None:
    for name, entry in commands.items():
        if isinstance(entry, CommandGroup):
            group = typer.Typer(name=name, help=entry.text, no_args_is_help=True, pretty_exceptions_enable=False)
            group.callback()(_nothing)
            _add(group, entry.commands)
            app.add_typer(group)
        else:
            function = getattr(import_module(f"tongguan.gateway.cli.{entry.module}"), entry.name)
            command(app, name, homeless=entry.homeless)(function(*entry.made_of) if entry.made_of else function)
