"""`tongguan backup`, `restore`, `upgrade`: a home in one file, back again, and on to a newer release."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong
from tongguan.gateway.cli.logs import only_trouble
from tongguan.gateway.cli.output import moment, print_json, progress, say
from tongguan.gateway.home import backup as backups
from tongguan.gateway.journal.database.copying import revision_of
from tongguan.gateway.journal.database.schema import revisions
from tongguan.gateway.journal.history.consistency import Acceptance
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.errors import many
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.storage import files

_SHOWN = 10  #: of many ids; `--json` has all
_UPGRADES = "backups"  #: the folder of a home for backups that an upgrade makes


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a new file, a ZIP / 新文件")],
    secrets: Annotated[
        bool, typer.Option("--secrets", help="with PINs, keys and tokens; keep the file as you keep those / 包括 PIN 和密钥")
    ] = False,
) -> None:
    """把主目录备份成一个文件，网关不必停 / Put the home into one file; the gateway may run."""
    with _refused():
        made = backups.make(context.settings(), file, secrets=secrets, progress=progress())
    _tell_made(file, made)


@contextmanager
def _refused() -> Iterator[None]:
    """What is wrong with the file that was named is another's fault than the home's."""
    try:
        yield
    except backups.BackupWrong as wrong:
        raise CommandWrong(wrong.zh, wrong.en, code=2) from None
    except (FileNotFoundError, FileExistsError) as wrong:
        there = isinstance(wrong, FileExistsError)
        raise CommandWrong(
            f"{wrong.filename} {'不是文件夹；请移开它' if there else '不存在；请查看后再执行'}",
            f"{wrong.filename} {'is no folder; move it away' if there else 'is not there; look, then type it again'}",
            code=2,
        ) from None


def _tell_made(file: Path, facts: backups.BackupFacts) -> None:
    if context.as_json():
        print_json({"file": str(file), "bytes": file.stat().st_size, **_shown(facts)})
        return
    last, held = moment(facts.last), file.stat().st_size
    size = f"{held / 1e6:.1f} MB" if held >= 1e6 else f"{held / 1e3:.0f} kB"
    say(
        f"✓ {file}：{facts.messages} 个报文，最后一步在 {last}，{size}",
        f"✓ {file}: {many(facts.messages, 'message')}, the last step at {last}, {size}",
    )
    if not facts.secrets:
        say(
            "  不含 PIN、密钥和令牌，请另行保管；--secrets 一并备份",
            "  without PINs, keys and tokens, which are to be kept elsewhere; --secrets takes them along",
        )


def _shown(facts: backups.BackupFacts) -> dict[str, Any]:
    return {
        "made_at": times.show(facts.made_at),
        "version": facts.version,
        "environment": facts.environment,
        "messages": facts.messages,
        "last_step_at": times.show(facts.last),
        "secrets": facts.secrets,
    }


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a backup / 备份文件")],
    why: Annotated[str, typer.Option("--why", help="the reason, for the history / 原因")] = "",
) -> None:
    """把备份恢复到主目录，或新目录 / Put a backup back into its home, or into a new folder."""
    only_trouble()
    home = context.home()
    accepted = Acceptance(context.who(), why or f"restored from {file.name}")
    with _refused():
        done = backups.restore(file, home, accepted, alone=context.alone, progress=progress())
    _tell_restored(home, done)


def _tell_restored(home: Path, done: backups.Restored) -> None:
    if context.as_json():
        print_json(
            {
                "home": str(home),
                **_shown(done.facts),
                "former": done.aside and str(done.aside),
                "since": done.since,
                "numbers": "anchor" if done.newest else "skipped",
                "kept": done.kept,
                "missing": done.missing,
            }
        )
        return
    last = moment(done.facts.last)
    say(
        f"✓ 已恢复：{done.facts.messages} 个报文，最后一步在 {last}；此后的事不在其中",
        f"✓ restored: {many(done.facts.messages, 'message')}, the last step at {last}; what happened since is not in it",
    )
    if done.newest:
        say("  编号按主目录的 anchor.jsonl 接着给", "  numbers go on where the home's anchor.jsonl says")
    else:
        say(
            "  编号跳过一段：没有更新的 anchor.jsonl，不知道此后给到哪里",
            "  numbers skip ahead: there is no newer anchor.jsonl to say how many were given since",
        )
    say(
        "  回执从头重取；已签名的报文先询问再发送",
        "  receipts are fetched from the beginning, and what is sealed is asked for before it is sent",
    )
    if done.aside:
        say(f"  原来的日志在 {done.aside}", f"  the former journal is in {done.aside}")
    if done.since:
        some = " ".join(done.since[:_SHOWN]) + (" …" if len(done.since) > _SHOWN else "")
        say(
            f"! {len(done.since)} 个报文是备份之后收下的，日志里没有；状态文件还在 Status/by-id，没来得及归档的原件在 work/：{some}",
            f"! taken after the backup, so that the journal does not know them: {many(len(done.since), 'message')}, whose status files are in Status/by-id, and originals that were in hand in work/: {some}",
        )
    for name in done.kept:
        say(f"! {name} 与备份中的不同，保留现有的", f"! {name} is other than the backup's; it stays as it is")
    for name in done.missing:
        say(f"! 缺少 {name}：请放回", f"! {name} is missing: put it back")
    say(
        "  这是同一个网关：原来的若还在，决不可同时运行。接着：tongguan doctor，然后 tongguan run",
        "  it is the same gateway: where the former one is still there, never run both. Next: tongguan doctor, then tongguan run",
    )


def upgrade(
    file: Annotated[
        Path | None,
        typer.Option("--backup", metavar="FILE", help="where the backup is put; else into backups/ of the home / 备份文件"),
    ] = None,
) -> None:
    """把旧版的日志升级到本版，先做备份 / Bring the journal of an older release up to date, behind a backup."""
    only_trouble()
    known, newest = context.settings(), revisions()[-1]
    with context.alone(), _refused():
        found = revision_of(known.database.url, known.home)
        made = None
        if found != newest:
            made = file or known.home / _UPGRADES / f"before-{newest}-{times.stamp(clock.now_ms())}.zip"
            if file is None:
                files.make_folder(made.parent, 0o700)
            facts = backups.make(known, made, secrets=False, progress=progress())
            if not context.as_json():
                _tell_made(made, facts)
            Journal.open(known.database.url, known.home, upgrades=True).close(why="upgraded")
    if context.as_json():
        print_json({"from": found, "to": newest, "backup": made and str(made)})
    elif made is None:
        say(f"日志已是本版的 {newest}，无需升级", f"the journal is at {newest} already: there is nothing to upgrade")
    else:
        say(
            f"✓ 已升级：{found} → {newest}。接着：tongguan run；要退回旧版：安装旧版，再 tongguan restore {quote(str(made))}",
            f"✓ upgraded: {found} → {newest}. Next: tongguan run; to go back: install the former release, then tongguan restore {quote(str(made))}",
        )
