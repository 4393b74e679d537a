"""All commands by name. A command's module is imported when the command is typed: the others cost it nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

import typer

from tongguan.gateway.cli.here import command


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
    "init": Entry("starting", "init", homeless=True),
    "demo": Entry("starting", "demo", homeless=True),
    "run": Entry("starting", "run"),
    "simulate": Entry("starting", "simulate"),
    "check": Entry("checking", "check"),
    "bench": Entry("measuring", "bench", homeless=True),
    "list": Entry("looking", "list_messages"),
    "show": Entry("looking", "show"),
    "timeline": Entry("looking", "timeline"),
    "answers": Entry("looking", "answers"),
    "documents": Entry("documents", "documents"),
    "hold": Entry("ordering", "acting", ("hold", "暂停处理报文", "Hold messages for a person")),
    "release": Entry("ordering", "acting", ("release", "放行暂挂的报文", "Let held messages go on")),
    "retry": Entry("ordering", "acting", ("retry", "立即重试", "Try again now")),
    "stop": Entry("ordering", "acting", ("stop", "停止尚未生效的报文", "Stop messages before they take effect")),
    "give-up": Entry("ordering", "acting", ("give-up", "放弃报文", "Give messages up")),
    "pause": Entry("ordering", "switching", ("pause", "暂停账户或通道", "Pause an account or a route")),
    "resume": Entry("ordering", "switching", ("resume", "恢复账户或通道", "Resume an account or a route")),
    "quarantine": Group(
        "隔离的回执 / receipts that are not believed",
        {
            "list": Entry("quarantine", "list_receipts"),
            "show": Entry("quarantine", "show"),
            "apply": Entry("quarantine", "acting", ("apply", "重新验证并应用", "Verify again, and apply if it is right now")),
            "drop": Entry("quarantine", "acting", ("drop", "丢弃", "Drop it")),
        },
    ),
    "card": Group(
        "卡 / cards: what is in the readers, bind, test, PIN",
        {
            "list": Entry("cards", "list_cards"),
            "bind": Entry("cards", "bind"),
            "test": Entry("cards", "test"),
            "pin": Entry("pins", "pin"),
        },
    ),
    "mailbox": Group(
        "信箱 / mailboxes: what is wrong with them; take a folder as one",
        {
            "list": Entry("mailboxes", "list_mailboxes"),
            "adopt": Entry("mailboxes", "adopt"),
        },
    ),
    "profiles": Entry("types", "profiles"),
    "status": Entry("condition", "status"),
    "doctor": Entry("condition", "doctor"),
    "config": Group("设置 / settings", {"check": Entry("condition", "config_check")}),
    "audit": Group(
        "审计 / the history",
        {"verify": Entry("audit", "verify"), "list": Entry("audit", "listing"), "accept": Entry("audit", "accept")},
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
