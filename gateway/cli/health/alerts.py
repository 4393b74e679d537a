"""`tongguan alerts test`: a trial message by each way in which alerts reach people."""

from __future__ import annotations

from typing import Annotated

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong, t, words
from tongguan.gateway.cli.messages.selection import known_or_wrong
from tongguan.gateway.cli.output import print_json, print_text
from tongguan.gateway.model.errors import TongguanError
from tongguan.gateway.settings import Settings
from tongguan.gateway.system import clock


def trial(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="a channel; without: all / 渠道名，省略则全部")] = "",
) -> int:
    """每个渠道试送一条 / A trial by each way, or by one. Exit 1 when one fails."""
    settings = context.settings()
    channels = {each.name: each for each in settings.alerts.channels}
    if not channels:
        raise CommandWrong(
            "没有设置告警渠道：在 tongguan.toml 加 [[alerts.mail]]、[[alerts.webhook]] 或 [[alerts.command]]",
            "no way is set: add [[alerts.mail]], [[alerts.webhook]] or [[alerts.command]] to tongguan.toml",
        )
    if name:
        known_or_wrong(name, channels, "告警渠道", "alert channel")
    tried = {each: _tried(each, settings) for each in channels if name in ("", each)}
    if context.as_json():
        print_json([{"channel": each, "ok": not why, "text": why} for each, why in tried.items()])
    else:
        for each, why in tried.items():
            print_text(f"✗ {each}: {why}" if why else f"✓ {each}: " + t("已送出", "sent"))
    return 1 if any(tried.values()) else 0


def _tried(name: str, settings: Settings) -> str:
    """Why it could not be sent, in the user's language; empty when it was."""
    # Imported here: only this command speaks to them.
    from tongguan.gateway.daemon.alert_ways import digest, make_sender
    from tongguan.outbox.alerts import AlertNotice
    from tongguan.routes.event_loop import EventLoop

    channel = next(each for each in settings.alerts.channels if each.name == name)
    now = clock.now_ms()
    text = settings.gateway.say(
        f"试送：{context.who()} 执行了 tongguan alerts test", f"a trial: {context.who()} typed tongguan alerts test"
    )
    notice = AlertNotice(now, "trial", name, text, "", now)
    try:
        with EventLoop() as wire:
            make_sender(channel, settings, wire).send(digest(settings, [notice]))
    except TongguanError as wrong:
        return words(wrong)
    return ""
