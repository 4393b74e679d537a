"""All commands by name. A command's module is imported when the command is typed: the others cost it nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

import typer

from tongguan.gateway.cli.context import command


@dataclass(frozen=True)
class Entry:
    """Where a command's function is; with `made_of` it is made by calling that with these words."""

    module: str
    name: str
    made_of: tuple[str, ...] = ()
    homeless: bool = False


@dataclass(frozen=True)
class Group:
    """Commands under one word."""

    text: str
    commands: Mapping[str, Entry]


COMMANDS: Mapping[str, Entry | Group] = {
    "init": Entry("setup.commands", "init", homeless=True),
    "demo": Entry("setup.commands", "demo", homeless=True),
    "run": Entry("setup.commands", "run"),
    "simulate": Entry("setup.commands", "simulate"),
    "check": Entry("profiles.check", "check"),
    "bench": Entry("health.bench", "bench", homeless=True),
    "list": Entry("messages.views", "list_messages"),
    "show": Entry("messages.views", "show"),
    "timeline": Entry("messages.views", "timeline"),
    "answers": Entry("messages.views", "answers"),
    "documents": Entry("messages.documents", "documents"),
    "hold": Entry("messages.orders", "acting", ("hold", "暂停处理报文", "Hold messages for a person")),
    "release": Entry("messages.orders", "acting", ("release", "放行暂挂的报文", "Let held messages go on")),
    "retry": Entry("messages.orders", "acting", ("retry", "立即重试", "Try again now")),
    "stop": Entry("messages.orders", "acting", ("stop", "停止尚未生效的报文", "Stop messages before they take effect")),
    "give-up": Entry("messages.orders", "acting", ("give-up", "放弃报文", "Give messages up")),
    "pause": Entry("messages.orders", "switching", ("pause", "暂停账户或通道", "Pause an account or a route")),
    "resume": Entry("messages.orders", "switching", ("resume", "恢复账户或通道", "Resume an account or a route")),
    "quarantine": Group(
        "隔离的回执 / receipts that are not believed",
        {
            "list": Entry("messages.quarantine", "list_receipts"),
            "show": Entry("messages.quarantine", "show"),
            "apply": Entry(
                "messages.quarantine", "acting", ("apply", "重新验证并应用", "Verify again, and apply if it is right now")
            ),
            "drop": Entry("messages.quarantine", "acting", ("drop", "丢弃", "Drop it")),
        },
    ),
    "card": Group(
        "卡 / cards: what is in the readers, bind, test, PIN",
        {
            "list": Entry("cards.cards", "list_cards"),
            "bind": Entry("cards.cards", "bind"),
            "test": Entry("cards.cards", "test"),
            "pin": Entry("cards.pin", "pin"),
        },
    ),
    "mailbox": Group(
        "信箱 / mailboxes: what is wrong with them; take a folder as one",
        {
            "list": Entry("setup.mailboxes", "list_mailboxes"),
            "adopt": Entry("setup.mailboxes", "adopt"),
        },
    ),
    "profiles": Entry("profiles.profiles", "profiles"),
    "status": Entry("health.commands", "status"),
    "doctor": Entry("health.commands", "doctor"),
    "config": Group("设置 / settings", {"check": Entry("health.commands", "config_check")}),
    "audit": Group(
        "审计 / the history",
        {
            "verify": Entry("health.audit", "verify"),
            "list": Entry("health.audit", "listing"),
            "accept": Entry("health.audit", "accept"),
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


def _add(app: typer.Typer, commands: Mapping[str, Entry | Group]) -> None:
    for name, entry in commands.items():
        if isinstance(entry, Group):
            group = typer.Typer(name=name, help=entry.text, no_args_is_help=True, pretty_exceptions_enable=False)
            group.callback()(_nothing)
            _add(group, entry.commands)
            app.add_typer(group)
        else:
            function = getattr(import_module(f"tongguan.gateway.cli.{entry.module}"), entry.name)
            command(app, name, homeless=entry.homeless)(function(*entry.made_of) if entry.made_of else function)
