"""Commands about the gateway's health: status, doctor, config check, audit verify."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

import typer

from tongguan import __version__
from tongguan.gateway.cli import here
from tongguan.gateway.cli.fitness import Finding, findings, settings_findings
from tongguan.gateway.cli.here import t
from tongguan.gateway.cli.metrics import exposition
from tongguan.gateway.cli.shown import age, moment, print_json, print_table, print_text
from tongguan.gateway.cli.survey import Level, Survey, survey
from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.settings import Settings

_STYLE = {Level.WELL: "✓", Level.WARNING: "!", Level.CRITICAL: "✗"}


def status(
    metrics: Annotated[bool, typer.Option("--metrics", help="Prometheus text / Prometheus 文本")] = False,
) -> int:
    """一屏看全局 / One screen: counts, ages, cards, routes, troubles. Exit 0 well, 1 warning, 2 critical."""
    settings = here.settings()
    seen = survey(settings)
    if metrics:
        print_text(exposition(seen))
    elif here.as_json():
        print_json(_as_json(settings, seen))
    else:
        _show(settings, seen)
    return int(seen.level)


def _as_json(settings: Settings, seen: Survey) -> dict[str, Any]:
    return {
        "schema": 1,
        "level": seen.level.name.lower(),
        "version": __version__,
        "environment": settings.gateway.environment,
        "running": seen.running,
        "heartbeat_at": seen.heartbeat.get("at"),
        "counts": [dict(zip(("account", "kind", "state", "count"), row, strict=True)) for row in seen.counts],
        "oldest": {state: clock.show(at) for state, at in seen.oldest.items()},
        "cards": seen.heartbeat.get("cards", {}),
        "routes": seen.heartbeat.get("routes", {}),
        "lanes": [
            {"name": lane.name, "reason": lane.reason, "text": lane.text, "since": clock.show(lane.since), "do": lane.do}
            for lane in seen.lanes.values()
        ],
        "deadlines": [{"message_id": m.id, "operation": m.operation, "at": clock.show(m.deadline_at)} for m in seen.deadlines],
        "problems": [
            {"level": p.level.name.lower(), "code": p.code, "text": p.text, "since": clock.show(p.since), "do": p.do}
            for p in seen.troubles
        ],
    }


def _show(settings: Settings, seen: Survey) -> None:
    runs = t("运行中", "running") if seen.running else t("未运行", "not running")
    print_text(f"{_STYLE[seen.level]} {settings.home}  {settings.gateway.environment}  {__version__}  {runs}")
    counts: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for account, kind, state, count in seen.counts:
        counts[(account, kind)][state] = count
    if counts:
        rows = [(*key, " ".join(f"{state}={count}" for state, count in states.items())) for key, states in counts.items()]
        print_table(t("账户 种类 数量", "account kind counts").split(), rows)
    if seen.oldest:
        rows_old = [(state, moment(at), age(at)) for state, at in seen.oldest.items()]
        print_table(t("状态 最早一条 已过", "state oldest age").split(), rows_old, state_at=0)
    _show_lanes(settings, seen)
    if seen.deadlines:
        rows_due = [(m.id, m.reference, m.operation, moment(m.deadline_at)) for m in seen.deadlines]
        print_table(t("报文 企业编号 操作 期限", "message_id reference operation deadline").split(), rows_due)
    for trouble in seen.troubles:
        since = f" ({age(trouble.since)})" if trouble.since else ""
        print_text(f"{_STYLE[trouble.level]} {trouble.code}: {trouble.text}{since}\n    {trouble.do}")


def _show_lanes(settings: Settings, seen: Survey) -> None:
    cards = [("card", card.name) for account in settings.account for card in account.card]
    rows = []
    for kind, name in [*cards, *(("route", name) for name in settings.route)]:
        lane = seen.lanes.get(f"{kind}:{name}")
        said = f"{lane.reason} {lane.text}".strip() if lane else t("可用", "open") if seen.running else "-"
        rows.append((kind, name, said, age(lane.since) if lane else ""))
    print_table(t("通道 名称 状态 已过", "lane name state age").split(), rows)


def doctor() -> int:
    """体检：本机是否适合运行 / Is this machine fit? Each ok, or what to do."""
    found = findings()
    _tell(found)
    return 0 if all(each.ok for each in found) else 1


def config_check() -> int:
    """检查设置 / Are the settings right? Exit 78 when not."""
    found = settings_findings(here.settings())
    _tell(found)
    return 0 if all(each.ok for each in found) else here.WRONG_SETTINGS


def _tell(found: list[Finding]) -> None:
    if here.as_json():
        print_json([{"check": each.check, "ok": each.ok, "text": each.text, "do": each.do} for each in found])
        return
    for each in found:
        print_text(f"{'✓' if each.ok else '✗'} {each.check}: {each.text}" + (f"\n    {each.do}" if each.do else ""))


def audit_verify() -> int:
    """核对历史是否完整 / Is the history whole? Altered or missing entries are named."""
    with here.journal() as journal:
        verdict = journal.verify()
    if here.as_json():
        names = ("entries", "moves", "runs", "broken")
        print_json({"ok": verdict.broken is None, **{name: getattr(verdict, name) for name in names}})
    elif verdict.broken:
        print_text(
            t(
                f"✗ 历史不完整：{verdict.broken}\n    保全现场，从备份核对",
                f"✗ the history is broken: {verdict.broken}\n    keep this home as it is and compare it with a backup",
            )
        )
    else:
        entries, moves, runs = verdict.entries, verdict.moves, verdict.runs
        print_text(
            t(
                f"✓ 历史完整：{runs} 次运行，{entries} 条记录，{moves} 步",
                f"✓ the history is whole: {runs} runs, {entries} entries, {moves} moves",
            )
        )
    return 0 if verdict.broken is None else 1
