"""Is the journal's schema the one that this program knows? For those who only look: they load no migrations and make none."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from sqlalchemy import Connection, inspect, text

from tongguan.gateway.model.errors import JournalUnfit


@cache
def newest() -> str:
    """The last migration; their files begin with their numbers."""
    names = (file.name for file in (files("tongguan.gateway.journal.database") / "migrations" / "versions").iterdir())
    return max(name[:4] for name in names if name[:4].isdigit())


def fits(connection: Connection) -> None:
    """Raise JournalUnfit when the journal is of another version than this program."""
    known = inspect(connection).has_table("alembic_version")
    present = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
    if present == newest():
        return
    if present is not None and present > newest():
        raise newer(present, newest())
    raise JournalUnfit(
        f"日志的结构 {present} 比本程序的 {newest()} 旧",
        f"the journal's schema {present} is older than this program's {newest()}",
        do=("启动一次网关即可升级：tongguan run", "start the gateway once, which brings it up to date: tongguan run"),
    )


def newer(present: str, known: str) -> JournalUnfit:
    return JournalUnfit(
        f"日志的结构 {present} 比本网关的 {known} 新",
        f"the journal's schema {present} is newer than this gateway's {known}",
        do=("请安装新版网关", "install the newer gateway"),
    )
