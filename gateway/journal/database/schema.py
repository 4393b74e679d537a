"""Which schema a journal has, and which this program knows. For those who only look: they load no migrations and make none."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from sqlalchemy import Connection, inspect, text

from tongguan.gateway.model.errors import JournalUnfit, NoJournal


@cache
def revisions() -> list[str]:
    """All that a journal of a release can be at, oldest first: the files of the migrations begin with their numbers."""
    names = (file.name for file in (files("tongguan.gateway.journal.database") / "migrations" / "versions").iterdir())
    return sorted(name[:4] for name in names if name[:4].isdigit())


def present(connection: Connection) -> str | None:
    """The revision that a journal is at; None when it has no tables yet."""
    known = inspect(connection).has_table("alembic_version")
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None


def fits(connection: Connection) -> None:
    """Raise JournalUnfit when the journal is of another version than this program, NoJournal when there is nothing in the file."""
    found, newest = present(connection), revisions()[-1]
    if found is None:
        raise NoJournal(str(connection.engine.url.database))
    known_or_refused(found)
    if found != newest:
        raise JournalUnfit(
            f"日志的结构 {found} 比本程序的 {newest} 旧",
            f"the journal's schema {found} is older than this program's {newest}",
            do=("先备份再升级：tongguan upgrade", "bring it up to date, behind a backup: tongguan upgrade"),
        )


def known_or_refused(found: str | None) -> None:
    """Raise JournalUnfit when no migration leads from this revision to the newest."""
    newest = revisions()[-1]
    if found is not None and found > newest:
        raise JournalUnfit(
            f"日志的结构 {found} 比本网关的 {newest} 新",
            f"the journal's schema {found} is newer than this gateway's {newest}",
            do=(
                "请安装新版网关；或恢复升级前的备份：tongguan restore 备份文件",
                "install the newer gateway, or restore the backup of before the upgrade: tongguan restore FILE",
            ),
        )
    if found is not None and found not in revisions():
        raise JournalUnfit(
            f"日志的结构 {found} 不属于任何已发布的版本",
            f"the journal's schema {found} is of no version that was released",
            do=("另建主目录：tongguan init HOME", "make a new home: tongguan init HOME"),
        )
