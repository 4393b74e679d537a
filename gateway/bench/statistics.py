"""How long statistics over many licences take: all of one account, one type and one year, in a new journal."""

from __future__ import annotations

import statistics as middle
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tongguan.codecs.checking.compile import Compiled, compile_profile
from tongguan.gateway.flow.query.answers.statistics import STATISTICS, statistics
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.database import tables
from tongguan.gateway.journal.database.engine import open_engine
from tongguan.gateway.journal.database.prepared import BulkStatements
from tongguan.gateway.journal.database.rows import counted_rows
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.document import CountedLine, Document
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import Settings, read_settings
from tongguan.gateway.system import clock

_YEAR, _COMMODITIES, _ANSWERS = 2026, 60, 5
_AT_ONCE = 10_000


def measure_statistics(made: Path, licences: int) -> str:
    """Fill a home's journal with counted licences, ask for December's statistics a few times, and say what an answer took."""
    compiled, settings = _counting_type(), read_settings(made)
    journal = Journal.open(settings.database.url, made)
    account = settings.account[0].name
    try:
        _fill(settings, made, _lines(account, compiled.profile.type, licences))
        took = [_ask(settings, journal, compiled) for _ in range(_ANSWERS)]
    finally:
        journal.close()
    seconds = middle.median(took)
    return f"{1 / seconds:.1f} answers/s statistics n={licences} licences of one year | an answer {seconds:.3f} s, longest {max(took):.3f} s"


def _counting_type() -> Compiled:
    profiles = load_profiles()
    return next(compile_profile(p, profiles.tables) for p in profiles.values() if p.statistics and STATISTICS in p.queries)


def _lines(account: str, type_: str, licences: int) -> Iterator[dict[str, Any]]:
    """Lines as the journal keeps them: every month, sixty commodities, large amounts."""
    for n in range(licences):
        month, commodity = _YEAR * 100 + n % 12 + 1, f"26{n // 12 % _COMMODITIES:08d}"
        quantity, amount = 1_000_000_000 + n, 99_999_999_999_999_999 - n
        line = CountedLine(month, commodity, f"示例商品{commodity}", "035", quantity, amount, True, True, ("0000", "0110", "USA"))
        yield from counted_rows(Document(new_id(), account, type_, "", "", 1, "", 0, 0, counted=(line,)))


def _fill(settings: Settings, made: Path, lines: Iterator[dict[str, Any]]) -> None:
    engine = open_engine(settings.database.url, made, writes=True)
    sql = BulkStatements(engine.dialect)
    while rows := list(islice(lines, _AT_ONCE)):
        with engine.begin() as connection:
            sql.insert(connection, tables.counted, rows)
    engine.dispose()


def _ask(settings: Settings, journal: Journal, compiled: Compiled) -> float:
    """Seconds that one answer takes, without its file."""
    profile, now = compiled.profile, clock.now_ms()
    rules = Rules(settings, {profile.type: compiled})
    asked = Message(new_id(), Kind.SUBMISSION, settings.account[0].name, profile.type, "query", State.RECEIVED, now, now)
    began = clock.monotonic()
    with journal.read() as records:
        found = statistics(rules, asked, profile.queries[STATISTICS], {"month": f"{_YEAR}-12"}, records)
    took = clock.monotonic() - began
    if found.total != _COMMODITIES:
        raise RuntimeError(f"{found.total} rows instead of {_COMMODITIES}")
    return took
