"""Engines of the journal: one that writes (`BEGIN IMMEDIATE`), one that reads."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Column, Connection, Engine, Integer, LargeBinary, create_engine, event, text
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.pool import NullPool

from tongguan.gateway.journal.database import tables
from tongguan.gateway.journal.database.prepared import PreparedStatement
from tongguan.gateway.journal.database.rows import RowDamaged
from tongguan.gateway.model.errors import JournalUnfit, NoJournal, StationBroken
from tongguan.gateway.system import times
from tongguan.gateway.system.storage import files

_MAGIC = b"SQLite format 3\0"
_PARTS = ("_high", "_low")  #: how columns end that hold a part of a number: no moments, and as large as they may be
_FIRST, _LAST = (times.to_ms(times.china_midnight(day)) for day in (date(1, 1, 2), date(9999, 12, 31)))  #: of all moments
_LOOKED_AT, _LONG = 400, 10_000  #: entries of an index that are looked at; rows of a table that is long
_LEAST_SQLITE = (3, 35)  #: the first that knows RETURNING
BUSY_MS = 30_000  #: so long a transaction waits for another process
LOOK_MS = 5_000  #: so long does who only looks: a gateway that ends holds its journal for less


def journal_file(url: str, home: Path) -> Path | None:
    """The database's file; None where the URL names a server. Relative paths are the home's."""
    return home / url.removeprefix("sqlite:///") if url.startswith("sqlite") else None


def is_frozen(path: Path | None) -> bool:
    """A journal that was closed in a folder that cannot be written: SQLite would need files beside it to open it as usual."""
    return path is not None and not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()


def last_write(file: Path | None) -> tuple[int, int] | None:
    """What is another whenever anybody has committed to the journal's file; None where that cannot be seen."""
    try:
        seen = os.stat(f"{file}-wal")
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size


_PLAIN = {
    "SQLITE_CORRUPT": ("数据库文件已损坏", "the database file is damaged"),
    "SQLITE_NOTADB": ("该文件不是数据库，或已损坏", "the file is no database, or is damaged"),
    "SQLITE_READONLY": ("数据库或其目录只读", "the database or its folder is read-only"),
    "SQLITE_BUSY": ("数据库被另一进程占用", "another process holds the database"),
    "SQLITE_LOCKED": ("数据库被另一进程占用", "another process holds the database"),
    "SQLITE_FULL": ("磁盘已满", "the disk is full"),
    "SQLITE_IOERR": ("磁盘读写出错", "the disk fails to read or write it"),
    "SQLITE_CANTOPEN": (
        "数据库文件无法打开（磁盘没有空间或 inode：df -h、df -i，或对其目录没有权限）",
        "the database file cannot be opened (no room or inodes on the disk: df -h, df -i, or no right to its folder)",
    ),
    "SQLITE_PERM": ("没有访问权限", "it may not be accessed"),
}


_EXCHANGED = (
    "数据库文件在运行中被移走或换成了另一个；停下网关，把原来的文件放回去，或从备份恢复后再启动",
    "the database file was taken away or exchanged while the gateway runs; stop it, put the file back or restore a backup, then start",
)


def plain(error: BaseException) -> tuple[str, str]:
    """What a database error says to a person, Chinese and English: none of the library's words, statements or addresses."""
    if isinstance(error, (RowDamaged, StationBroken)):
        return error.zh, error.en
    for begin, said in _PLAIN.items():
        if _name(error).startswith(begin):
            return said
    told = str(_origin(error))
    if "decode to UTF-8" in told:
        return _PLAIN["SQLITE_CORRUPT"]
    first = told.splitlines()[0] if told else type(_origin(error)).__name__
    return first, first


def _origin(error: BaseException) -> BaseException:
    return getattr(error, "orig", None) or error


def _name(error: BaseException) -> str:
    return str(getattr(_origin(error), "sqlite_errorname", ""))


MEND = (
    "排除原因后重试；不行就恢复备份，现有的会移到一边：tongguan restore 备份文件",
    "mend the cause; else restore a backup, what is here is moved aside: tongguan restore FILE",
)


SEPARATE = (
    "把 tongguan.db 和它自己的 -wal 从同一份副本放回；副本没有 -wal 的，把旁边这个移走",
    "put tongguan.db back with its own -wal, from one copy; where that has none, take away the one that lies there",
)


UNLOCK = (
    "请用主目录所属的用户执行，或改正权限、挂载方式后重试",
    "type it as the home's user, or mend its mode or how it is mounted",
)


FREE = (
    "数据没有损坏；结束占用它的进程后重试（fuser -v tongguan.db 列出进程）",
    "nothing is damaged; end the process that holds it, then try again (fuser -v tongguan.db lists them)",
)
_ROOM = ("数据没有损坏；腾出磁盘空间后重试", "nothing is damaged; make room on the disk, then try again")
#: what helps where the file itself is whole, by what the library calls the trouble
_WHOLE = {
    "SQLITE_BUSY": FREE,
    "SQLITE_LOCKED": FREE,
    "SQLITE_FULL": _ROOM,
    "SQLITE_READONLY": UNLOCK,
    "SQLITE_PERM": UNLOCK,
}


def unfit(error: BaseException, zh: str = "日志无法读取", en: str = "the journal cannot be read") -> JournalUnfit:
    """A database error as what is wrong with the journal, and what helps: a backup only where the file may be damaged."""
    why = plain(error)
    helps = next((do for begin, do in _WHOLE.items() if _name(error).startswith(begin)), MEND)
    return JournalUnfit(f"{zh}：{why[0]}", f"{en}: {why[1]}", do=helps)


def _damaged(error: sqlite3.Error) -> str:
    """What an error says of a file's pages; JournalUnfit where it says nothing of them."""
    if (said := unfit(error)).do is not MEND:
        raise said from error
    return plain(error)[1]


def old_sqlite() -> JournalUnfit | None:
    """What is wrong with the SQLite that this Python has, and what helps; None: it is new enough."""
    if sqlite3.sqlite_version_info >= _LEAST_SQLITE:
        return None
    least, found = ".".join(map(str, _LEAST_SQLITE)), sqlite3.sqlite_version
    return JournalUnfit(
        f"需要 SQLite {least} 以上，本机的 Python 带的是 {found}",
        f"SQLite {least} or newer is needed, and this Python has {found}",
        do=(
            "换用自带新版 SQLite 的 Python（例如 uv 或 conda 安装的），或升级系统",
            "use a Python that brings its own SQLite (as those of uv and conda do), or a newer system",
        ),
    )


def examine(url: str, home: Path) -> None:
    """Raise JournalUnfit when the journal's file cannot be used; NoJournal when there is none. Nothing is written."""
    path = journal_file(url, home)
    if path is None:
        return
    if not path.exists():
        raise NoJournal(str(path))
    if not path.is_file():
        raise JournalUnfit(f"{path} 不是普通文件", f"{path} is no plain file", do=MEND)
    try:
        begin = files.read(path, len(_MAGIC))
    except OSError as wrong:
        raise JournalUnfit(
            f"{path}：{wrong.strerror}", f"{path}: {wrong.strerror}", do=UNLOCK if isinstance(wrong, PermissionError) else MEND
        ) from None
    if begin and begin != _MAGIC:
        zh, en = _PLAIN["SQLITE_NOTADB"]
        raise JournalUnfit(f"{path}：{zh}", f"{path}: {en}", do=MEND)


def writable(url: str, home: Path) -> None:
    """Raise JournalUnfit when the journal's file, or the folder that holds it, is read-only."""
    path = journal_file(url, home)
    for place in () if path is None else (path.parent, path):
        if place.exists() and not os.access(place, os.W_OK):
            raise JournalUnfit(f"{place} 只读，网关不能写入", f"{place} is read-only: the gateway cannot write it", do=UNLOCK)


def damage(url: str, home: Path) -> str | None:
    """What is wrong with the file's pages, or a value that no gateway wrote: reads all of it; None when it is whole, or no file.

    JournalUnfit when it cannot be looked at.
    """
    path = journal_file(url, home)
    if path is None or not path.is_file():
        return None
    try:
        base = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=LOOK_MS / 1000)
        try:
            return broken_pages(base) or _strange(base)
        finally:
            base.close()
    except sqlite3.Error as wrong:
        return _damaged(wrong)


def broken_pages(base: sqlite3.Connection) -> str | None:
    """What is wrong with a file's pages: reads all of it."""
    said = str(base.execute("PRAGMA quick_check(1)").fetchone()[0])
    return None if said == "ok" else said.splitlines()[-1]


def ill_matched(url: str, home: Path) -> str | None:
    """What is wrong with a file and the `-wal` beside it where that is an older or a later file's; None when they fit. Changes nothing.

    Pages that one gateway wrote at different times make no journal, though each of them can be read. Where both know the same run as the
    newest, the file is the one that the `-wal` was begun beside; else all pages are looked at.
    """
    path = journal_file(url, home)
    if path is None or not path.is_file() or not _waits(Path(f"{path}-wal")):
        return None
    place = f"file:{quote(str(path.absolute()))}?mode=ro"
    runs: list[object] = []
    try:
        for only_the_file in ("&immutable=1", ""):
            with closing(sqlite3.connect(place + only_the_file, uri=True, timeout=BUSY_MS / 1000)) as base:
                runs.append(base.execute("SELECT id FROM run ORDER BY number DESC LIMIT 1").fetchone())
    except sqlite3.Error:
        runs.append(None)
    if len(runs) == 2 and runs[0] == runs[1]:
        return None
    try:
        with closing(sqlite3.connect(place, uri=True, timeout=BUSY_MS / 1000)) as base:
            return broken_pages(base)
    except sqlite3.Error as wrong:
        return _damaged(wrong)


def matched(url: str, home: Path) -> None:
    """Raise JournalUnfit where a file and the `-wal` beside it are not of one journal."""
    if said := ill_matched(url, home):
        raise JournalUnfit(
            f"tongguan.db 与旁边的 -wal 不是一份，或已损坏（{said}）",
            f"tongguan.db and the -wal beside it are not of one journal, or damaged ({said})",
            do=SEPARATE,
        )


def _strange(base: sqlite3.Connection) -> str | None:
    """The first row, and its column, with a value of another type than the column's, or a number beyond every moment."""
    for table in tables.metadata.sorted_tables:
        there = {row[1] for row in base.execute(f"PRAGMA table_info([{table.name}])")}
        columns = [c for c in table.columns if c.name in there]  # an older gateway's journal has fewer
        if not columns:
            continue
        wrong = " ".join(f"WHEN {_is_strange(c)} THEN '{c.name}'" for c in columns)
        key = ", ".join(f"[{c.name}]" for c in table.primary_key.columns)
        query = f"SELECT {key}, CASE {wrong} END AS strange FROM [{table.name}] WHERE strange IS NOT NULL LIMIT 1"
        if row := base.execute(query).fetchone():
            return f"{table.name} {' '.join(map(str, row[:-1]))}: {row[-1]}"
    return None


def _is_strange(column: Column[Any]) -> str:
    """SQL that is true of what no gateway wrote into the column."""
    if isinstance(column.type, Integer) and column.name.endswith(_PARTS):
        return f"typeof([{column.name}]) NOT IN ('null', 'integer')"
    if isinstance(column.type, Integer):
        return f"typeof([{column.name}]) NOT IN ('null', 'integer') OR [{column.name}] NOT BETWEEN {_FIRST} AND {_LAST}"
    kind = "blob" if isinstance(column.type, LargeBinary) else "text"
    return f"typeof([{column.name}]) NOT IN ('null', '{kind}')"


class _Compiler(SQLiteCompiler):
    """Writes which index a statement goes by (`statements.by`)."""

    def get_from_hint_text(self, table: Any, text: Any) -> Any:
        return text


def _file_at(path: str) -> tuple[int, int]:
    """Which file lies there: its device and inode; zeros where there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino


def _waits(log: Path) -> bool:
    """Is there something in it that is not in the file yet?"""
    try:
        return log.stat().st_size > 0
    except OSError:
        return False


def learn(connection: Connection) -> None:
    """Let SQLite look at some entries of each index, for what is put together as a person asks: a millisecond, however long they are.

    What is asked again and again names its index (`statements.by`). Of short tables nothing is kept: they may be long before the next
    look, and then be walked through.
    """
    if connection.dialect.name == "sqlite":
        for each in (
            f"PRAGMA analysis_limit = {_LOOKED_AT}",
            "ANALYZE",
            f"DELETE FROM sqlite_stat1 WHERE CAST(stat AS INTEGER) < {_LONG}",
            "ANALYZE sqlite_master",  # reads what is kept
        ):
            connection.exec_driver_sql(each)


def open_engine(url: str, home: Path, *, writes: bool, frozen: bool = False, looks: bool = False) -> Engine:
    """An engine for the journal's URL; relative SQLite paths are the home's.

    SQLite: WAL, `synchronous=FULL`, and transactions that take the write lock when they begin, because pysqlite's own
    transactions lose updates silently. One that is too old for the statements is refused (JournalUnfit). When another file lies in the
    place of the one that was opened first, nothing begins (StationBroken): what it wrote would be in no file, and a connection to the
    other file would take the first one's `-wal` for its own. `frozen`: nobody can write it while it is open, not even beside it. `looks`: not to become part of the file is a `-wal` that
    lies beside it, for it may be another file's, which only the gateway that starts can say.
    """
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    if wrong := old_sqlite():
        raise wrong
    where, patience = str(journal_file(url, home)), LOOK_MS if looks else BUSY_MS
    options: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": patience / 1000}}
    options |= {"pool_size": 1, "max_overflow": 0} if writes else {"poolclass": NullPool}
    looks = looks and _waits(Path(f"{where}-wal"))
    place = f"file:{quote(where)}?mode=ro{'&immutable=1' if frozen else ''}&uri=true" if frozen or looks else where
    engine = create_engine(f"sqlite:///{place}", **options)
    engine.dialect.statement_compiler = _Compiler
    opened: list[tuple[int, int]] = []
    begin = PreparedStatement(text("BEGIN IMMEDIATE" if writes else "BEGIN"))

    def still_there() -> None:
        found = _file_at(where)
        if not opened and found[1]:
            opened.append(found)
        elif opened and opened[0] != found:
            raise StationBroken(*_EXCHANGED)

    @event.listens_for(engine, "do_connect")
    def _connecting(*_given: Any) -> None:
        still_there()

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        if frozen:
            return
        # Readers are many and read what was written just now: a small cache each, or memory grows with the journal.
        cache = "cache_size=-16000" if writes else "cache_size=-1000"
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={patience}", cache)[looks:]:
            connection.execute("PRAGMA " + pragma)

    @event.listens_for(engine, "begin")
    def _begun(connection: Any) -> None:
        still_there()
        begin.rows(connection)

    return engine
