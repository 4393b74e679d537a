"""`tongguan card pin`: a person gives a PIN. It is never taken from the command line, shown or written; it is tried once."""

from __future__ import annotations

import getpass
import json
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.cards.cards import Owned, asking, named, opened, record, remembered
from tongguan.gateway.cli.context import CommandWrong, t, told
from tongguan.gateway.cli.messages.orders import daemon_runs, order
from tongguan.gateway.cli.output import print_json, print_text
from tongguan.gateway.system.storage import home_lock
from tongguan.gateway.system.storage.sockets import socket_name
from tongguan.signer.cards.pin import Secret, pin_of, read_pin
from tongguan.signer.errors import PinNeeded

_PATIENCE_SECONDS = 60


def pin(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    pin_file: Annotated[Path | None, typer.Option(help="read it from there instead of asking / 从文件读取")] = None,
) -> None:
    """输入 PIN，试一次，成功则重新开卡 / Give a PIN: tried once; a right one opens the card again."""
    owned = named(name)
    given = _asked_pin(name, pin_file)
    said = _through_daemon(name, given) if daemon_runs() else _directly(owned, given)
    record(name, "pin", "given", why="card pin")
    print_json({"card": name, "ok": True, "text": said}) if context.as_json() else print_text(said)


def _asked_pin(name: str, file: Path | None) -> Secret:
    try:
        if file is not None:
            return asking(name, lambda: read_pin(f"file:{file.absolute()}", Path()))
        if not sys.stdin.isatty():
            return asking(name, lambda: pin_of(sys.stdin.readline()))
        return asking(name, lambda: pin_of(getpass.getpass(t(f"卡 {name} 的 PIN：", f"PIN of card {name}: "))))
    except (UnicodeDecodeError, EOFError):
        raise CommandWrong("没有读到 PIN", "no PIN could be read", code=2) from None


def _through_daemon(name: str, given: Secret) -> str:
    """The running gateway tries it: its card opens at once."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(_PATIENCE_SECONDS)
        try:
            with socket_name(context.home() / home_lock.SOCKET) as place:
                line.connect(place)
            line.sendall(json.dumps({"card": name, "pin": given.reveal()}).encode() + b"\n")
            with line.makefile("rb") as answers:
                answer = json.loads(answers.readline() or b"{}")
        except (OSError, ValueError) as error:
            raise CommandWrong(
                f"网关没有应答（{error}）；查看：tongguan status", f"the gateway does not answer ({error}); look: tongguan status"
            ) from None
    if not answer.get("ok"):
        why = told(answer.get("text"))
        raise CommandWrong(f"卡 {name} 没有打开：{why}", f"card {name} did not open: {why}")
    return t(f"卡 {name} 已打开", f"card {name} is open")


def _directly(owned: Owned, given: Secret) -> str:
    """No gateway runs: try it here; the card opens for the next start only if that will use the same PIN."""
    name = owned.card.name
    with opened(owned, locked=True, bound=owned.card.bound) as card:
        asking(name, lambda: remembered(owned, lambda: card.give_pin(given)))
    if owned.card.pin == "prompt":
        return t(f"PIN 正确；启动网关后再输入一次：tongguan card pin {name}",
                 f"the PIN is right; once the gateway runs, give it again: tongguan card pin {name}")  # fmt: skip
    try:
        same = owned.card.pin == "" or read_pin(owned.card.pin, context.home()).reveal() == given.reveal()
    except PinNeeded:
        same = False
    if not same:
        raise CommandWrong(f"PIN 正确，但 {owned.card.pin} 里是另一个：请改正后重试，否则网关启动时会再错一次",
                    f"the PIN is right, but {owned.card.pin} holds another: mend it and type this again") from None  # fmt: skip
    if owned.lane is not None:
        order({"do": "open", "lane": owned.lane.name}, why="card pin")
    return t(f"PIN 正确，卡 {name} 已打开", f"the PIN is right, card {name} is open")
