"""`tongguan reload`: the running gateway goes on with the settings on disk, if they are right."""

from __future__ import annotations

import threading

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong
from tongguan.gateway.cli.messages.orders import WhyOption, daemon_runs, order
from tongguan.gateway.cli.output import print_json, print_text, say
from tongguan.gateway.cli.setup.mailboxes import left_behind, tell_left_behind
from tongguan.gateway.flow.orders import RELOADED
from tongguan.gateway.model.errors import SettingsWrong, each_of
from tongguan.gateway.settings import read_settings
from tongguan.gateway.system import clock

_PATIENCE_SECONDS = 120  #: what is in hand is finished first
_LOOK_SECONDS = 0.2


def reload(why: WhyOption = "") -> None:
    """让运行中的网关改用磁盘上的设置 / The running gateway goes on with the settings on disk."""
    settings = read_settings(context.home())  # wrong ones are told here, and the gateway is not asked
    if not daemon_runs():
        raise CommandWrong("网关没有运行；启动：tongguan run", "the gateway does not run; start: tongguan run")
    before, left = _marker(), left_behind(settings)
    order({"do": "reload"}, why=why or "reload")
    deadline = clock.monotonic() + _PATIENCE_SECONDS
    while (after := _marker()) == before:
        if clock.monotonic() > deadline:
            raise CommandWrong(
                "网关还没有换完；查看：tongguan status", "the gateway has not changed over yet; look: tongguan status"
            )
        threading.Event().wait(_LOOK_SECONDS)
    if wrong := after.partition(" ")[2]:
        zh, en = each_of(wrong)
        raise SettingsWrong(f"新设置没有采用，仍用原设置：{zh}", f"not taken up, the old settings stay: {en}")
    if context.as_json():
        print_json({"reloaded": True, "left_behind": {str(outbox): count for outbox, count in left.items()}})
        return
    say("已改用磁盘上的设置", "the settings on disk are in use")
    for outbox, count in left.items():
        print_text("! {}\n    {}".format(*tell_left_behind(outbox, count)))


def _marker() -> str:
    with context.journal() as journal, journal.search() as records:
        return records.marker(RELOADED) or ""
