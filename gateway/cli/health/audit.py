"""`tongguan audit`: is the history whole, what was done besides moving messages, and going on after a restore."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong, t, told
from tongguan.gateway.cli.output import facts_of, print_json, print_table, print_text, progress, say
from tongguan.gateway.settings import Settings
from tongguan.gateway.system import times

_MOST = 1000


def verify(
    anchor: Annotated[
        Path | None, typer.Option(dir_okay=False, help="a copy of anchor.jsonl kept elsewhere / 另存的副本")
    ] = None,
) -> int:
    """核对历史是否完整 / Is the history whole? Altered or missing entries and rows are named."""
    try:
        copy = anchor.read_bytes() if anchor else None
    except OSError as wrong:
        raise CommandWrong(f"{anchor}：{wrong.strerror}", f"{anchor}: {wrong.strerror}", code=2) from None
    with context.journal() as journal:
        verdict = journal.verify(progress(), copy=copy)
    broken, key = (told(wrong) for wrong in (verdict.broken, verdict.key))
    code = 1 if broken or key else 0
    if context.as_json():
        facts = facts_of(verdict, "entries", "moves", "runs", "accepted")
        print_json({"ok": not code, **facts, "broken": broken, "key": key})
        return code
    for accepted in verdict.accepted:
        say(f"! 曾有人确认继续使用恢复后的文件：{accepted}", f"! somebody went on after a restore: {accepted}")
    if key:
        from tongguan.gateway.journal.history.consistency import RESTORE

        print_text(f"✗ {key}\n    {t(*RESTORE)}")
    if broken:
        say(
            f"✗ 历史不完整：{broken}\n    保全现场，从备份核对",
            f"✗ the history is broken: {broken}\n    keep this home as it is and compare it with a backup",
        )
        return 1
    entries, moves, runs = verdict.entries, verdict.moves, verdict.runs
    say(
        f"✓ 历史完整：{runs} 次运行，{entries} 条记录，{moves} 步",
        f"✓ the history is whole: {runs} runs, {entries} entries, {moves} moves",
    )
    if anchor:
        say(f"✓ {anchor} 所记都在其中", f"✓ all that {anchor} says is in it")
    return code


def listing() -> int | None:
    """网关启停、暂停、人工指令 / What moved no message: starts, stops, lanes shut and opened, orders; who, when and why."""
    with context.journal() as journal, journal.search() as records:
        damaged = records.leave_out_damaged()
        rows = [(m.at, m.message_id, m.step, m.was, m.state, m.who, told(m.why)) for m in records.events(_MOST)]
        rows += [
            (order.at, " ".join(order.about), order.do, None, "done" if order.done else "not done", order.who, order.why)
            for order in records.orders_done(_MOST)
            if order.about
        ]
    for wrong in damaged.values():
        context.complain(f"✗ {wrong.zh}；tongguan audit verify", f"✗ {wrong.en}; tongguan audit verify")
    code = 1 if damaged else 0
    rows.sort(key=lambda row: row[0])
    shown = [(times.show(at), *rest) for at, *rest in rows]
    if context.as_json():
        print_json([dict(zip(("at", "about", "step", "was", "state", "who", "why"), row, strict=True)) for row in shown])
    else:
        print_table("时间 对象 步骤 从 到 经手 说明", "at about step from to who why", shown)
    return code


def accept(why: Annotated[str, typer.Option("--why", help="the reason, for the history / 原因")]) -> None:
    """恢复后确认以现有文件继续 / Go on with journal and anchor as they are, after a restore that cannot be mended."""
    # Imported here: commands that only look load none of it.
    from tongguan.gateway.cli.logs import only_trouble
    from tongguan.gateway.journal.history.consistency import Acceptance
    from tongguan.gateway.journal.journal import Journal

    only_trouble()
    known = context.settings()
    if not why.strip():
        raise CommandWrong("请用 --why 说明原因", "say why with --why", code=2)
    with context.alone():
        wrong = context.disagreement()
        if wrong is not None:
            accepted = Acceptance(context.who(), why, numbers=_given(known))
            Journal.open(known.database.url, known.home, accepted=accepted).close(why="accepted")
    if context.as_json():
        print_json({"accepted": wrong})
        return
    if wrong is None:
        say("日志与锚文件一致，无需确认", "journal and anchor agree: there is nothing to accept")
        return
    say(
        f"已确认：{wrong}\n  已给出的编号不再给出；回执从头重取；已签名的报文先询问再发送",
        f"accepted: {wrong}\n  numbers given are not given again, receipts are fetched from the beginning, and what is sealed is "
        "asked for before it is sent",
    )


def _given(known: Settings) -> Mapping[str, int]:
    """The first numbers that were surely given to nobody, where no anchor says it."""
    from tongguan.gateway.home.backup import far_ahead
    from tongguan.gateway.journal.database.copying import look_into
    from tongguan.gateway.journal.database.engine import journal_file
    from tongguan.gateway.journal.history.anchor import Anchor

    journal = journal_file(known.database.url, known.home)
    if journal is None or not (journal.exists() and journal.stat().st_size) or Anchor(known.home / "anchor.jsonl").numbers():
        return {}
    found = look_into(journal)
    return {} if found.last is None else far_ahead(known, found.numbers, found.last)
