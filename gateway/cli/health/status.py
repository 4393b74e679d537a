"""`tongguan status`: everything about a home on one screen."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Annotated, Any

import typer

from tongguan import __version__
from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import t, told, words
from tongguan.gateway.cli.health.liveness import is_running
from tongguan.gateway.cli.health.report import HealthReport, Level, Trouble, health_report
from tongguan.gateway.cli.output import age, lane_facts, moment, print_json, print_table, print_text
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.model.lane import Lane
from tongguan.gateway.settings import Settings, as_far_as_readable, read_settings
from tongguan.gateway.system import times

_STYLE = {Level.WELL: "✓", Level.WARNING: "!", Level.CRITICAL: "✗"}


def status(
    metrics: Annotated[bool, typer.Option("--metrics", help="Prometheus text / Prometheus 文本")] = False,
) -> int:
    """一屏看全局 / One screen: counts, ages, cards, routes, troubles. Exit 0 well, 1 warning, 2 critical, 78 wrong settings."""
    faults = []
    try:
        settings = read_settings(context.home())
    except SettingsWrong as wrong:
        settings = as_far_as_readable(context.home())
        if not is_running(settings):
            raise
        said = words(wrong)
        text = t(f"设置有错，网关仍用启动时的设置：{said}", f"wrong, the gateway goes on with those it began with: {said}")
        faults = [Trouble(Level.CRITICAL, "settings", text, "tongguan config check")]
    with context.using(settings):
        seen = health_report(settings)
        seen = replace(seen, life=[*faults, *seen.life])
        if metrics:
            from tongguan.gateway.cli.health.metrics import exposition  # late: the port's module brings the flow along

            print_text(exposition(seen).rstrip("\n"))
        elif context.as_json():
            print_json(_as_json(settings, seen))
        else:
            _show(settings, seen)
    return context.WRONG_SETTINGS if faults else int(seen.level)


def _as_json(settings: Settings, seen: HealthReport) -> dict[str, Any]:
    return {
        "schema": 1,
        "level": seen.level.name.lower(),
        "version": __version__,
        "environment": seen.heartbeat.get("environment", settings.gateway.environment),
        "running": seen.running,
        "heartbeat_at": seen.heartbeat.get("at"),
        **context.business_clock().shown(),
        "counts": [dict(zip(("account", "kind", "state", "count"), row, strict=True)) for row in seen.counts],
        "oldest": {state: times.show(at) for state, at in seen.oldest.items()},
        "cards": seen.heartbeat.get("cards", {}),
        "routes": seen.heartbeat.get("routes", {}),
        "lanes": [lane_facts(lane) for lane in seen.lanes.values()],
        "deadlines": [{"message_id": m.id, "operation": m.operation, "at": times.show(m.deadline_at)} for m in seen.deadlines],
        "problems": [
            {"level": p.level.name.lower(), "code": p.code, "text": p.text, "since": times.show(p.since), "do": p.do}
            for p in seen.troubles
        ],
    }


def _show(settings: Settings, seen: HealthReport) -> None:
    runs = t("运行中", "running") if seen.running else t("未运行", "not running")
    if seen.running is None:
        runs = t("看不到是否运行", "not seen whether it runs")
    environment = seen.heartbeat.get("environment", settings.gateway.environment)
    print_text(f"{_STYLE[seen.level]} {settings.home}  {environment}  {__version__}  {runs}")
    if (line := context.business_clock().line) is not None:
        time, speed = moment(context.business_clock().now_ms()), line.speed
        print_text(t(f"业务时钟 {time}，{speed} 倍速（测试）", f"business clock {time}, {speed} times as fast (a test)"))
    counts: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for account, kind, state, count in seen.counts:
        counts[(account, kind)][state] = count
    if counts:
        rows = [(*key, " ".join(f"{state}={count}" for state, count in states.items())) for key, states in counts.items()]
        print_table("账户 种类 数量", "account kind counts", rows)
    if seen.oldest:
        rows_old = [(state, moment(at), age(at)) for state, at in seen.oldest.items()]
        print_table("状态 最早一条 已过", "state oldest age", rows_old, state_at=0)
    _show_lanes(settings, seen)
    if seen.deadlines:
        rows_due = [(m.id, m.reference, m.operation, moment(m.deadline_at)) for m in seen.deadlines]
        print_table("报文 企业编号 操作 期限", "message_id reference operation deadline", rows_due)
    for trouble in seen.troubles:
        since = f" ({age(trouble.since)})" if trouble.since else ""
        print_text(f"{_STYLE[trouble.level] if trouble.level else '·'} {trouble.code}: {trouble.text}{since}\n    {trouble.do}")


def _show_lanes(settings: Settings, seen: HealthReport) -> None:
    cards = [("card", card.name) for card in settings.cards]
    rows = []
    for kind, name in [*cards, *(("route", name) for name in settings.route)]:
        lane = seen.lanes.get(Lane(kind, name))
        said = f"{_reason(lane.reason)} {told(lane.text)}".strip() if lane else t("可用", "open") if seen.running else "-"
        since = lane.since if lane else None
        heard = (seen.heartbeat.get(f"{kind}s") or {}).get(name, {}) if seen.running else {}
        # No message waits for it yet; or its PIN was asked for, and now the card itself is out.
        if heard.get("open") is False and (lane is None or (lane.reason == "pin" != heard["reason"])):
            said, since = _reason(heard["reason"]), times.read(heard["since"])
        rows.append((kind, name, said, age(since)))
    print_table("通道 名称 状态 已过", "lane name state age", rows)


_REASONS = {
    "paused": ("已暂停", "paused"),
    "pin": ("等待 PIN", "waits for its PIN"),
    "card": ("卡不可用", "the card cannot be used"),
    "route": ("不可达", "out of reach"),
    "receipts": ("不可达", "out of reach"),
    "bug": ("程序错误", "a bug"),
    "unbound": ("未绑定", "not bound"),
    "absent": ("不在读卡器中", "not in its reader"),
    "mismatch": ("不是绑定的卡", "another card"),
    "holder": ("不是本企业的卡", "another enterprise's"),
    "validity": ("证书无效", "certificate not valid"),
    "test": ("测试卡", "a test card"),
    "hung": ("没有应答", "does not answer"),
    "broken": ("不可用", "does not work"),
}


def _reason(reason: str) -> str:
    """Why a lane is shut, or a card signs nothing, in a word or two."""
    return t(*_REASONS[reason]) if reason in _REASONS else reason
