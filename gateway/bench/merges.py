"""How a month's merge is planned and written: in turn with a loop over lines of text, and with bare inserts of the same rows.

Reading, grouping and adding is measured in a process of its own, as the loop is; of both its processor time and its memory.
"""

from __future__ import annotations

import json
import random
import statistics as middle
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from tongguan.gateway.bench.line_loop import told
from tongguan.gateway.document.counting import number_of
from tongguan.gateway.document.lines import KEY, pool_named
from tongguan.gateway.flow.merging.plan import PlannedWhole, SumField, WholeLimits, plan
from tongguan.gateway.journal.client import JournalClient
from tongguan.gateway.journal.database import tables
from tongguan.gateway.journal.database.engine import open_engine
from tongguan.gateway.journal.database.prepared import BulkStatements
from tongguan.gateway.journal.database.rows import document_row, keyed_line_rows, keyed_row, relation_rows
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.document import Content, Document, KeyedDocument, KeyedLine
from tongguan.gateway.model.ids import derived_id, new_id
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.model.outcome import Outcome, Relation
from tongguan.gateway.settings import read_settings
from tongguan.gateway.system import clock

_ROUNDS = 3
_LINES_OF_LIST, _LISTS_OF_HEAD, _LINES_OF_HEAD = 20, 25, 50
_MERGE = "bench"
_AT_ONCE = 500  #: lists that are filled in at once
_PORTION = 200  #: lists whose declarations are written in one commit
_PLACES = (4, 3, 2)  #: decimals of the numbers of a line
_LIMITS = WholeLimits(_LINES_OF_HEAD, (SumField(5, 19, 5),) * 6, tuple(SumField(places, 19, places) for places in _PLACES))


def measure_merge(made: Path, lines: int) -> str:
    """Fill a home's journal with a month of so many lines, and a file with the same lines as text; say what merging them took."""
    settings = read_settings(made)
    Journal.open(settings.database.url, made).close()
    file = made / "lines.csv"
    _fill(settings.database.url, made, file, lines)
    pairs = [(_planned(made), _run("tongguan.gateway.bench.line_loop", str(file))) for _ in range(_ROUNDS)]
    wholes, keys = pairs[0][0]["found"], pairs[0][1]["found"]
    if wholes["lines"] != keys:
        raise RuntimeError(f"{wholes['lines']} lines of declarations instead of {keys}")
    mine, loop = (
        [middle.median(each[word] for each in column) for word in ("seconds", "peak_mb")] for column in zip(*pairs, strict=True)
    )
    ratio, memory = (middle.median(p[word] / other[word] for p, other in pairs) for word in ("seconds", "peak_mb"))
    written, bare = _written(settings.database.url, made)
    return (
        f"{lines / mine[0]:.1f} lines/s merge n={lines} into {wholes['wholes']} of {keys} lines, CPU {mine[0]:.2f} s, peak {mine[1]:.0f} MB"
        f" | a loop over text, CPU {loop[0]:.2f} s, peak {loop[1]:.0f} MB, ratio {ratio:.2f}, of memory {memory:.2f}"
        f" | written with their relation, CPU {written:.2f} s, bare inserts {bare:.2f} s, ratio {written / bare:.2f}"
    )


def _planned(made: Path) -> dict[str, Any]:
    return _run("tongguan.gateway.bench.merges", str(made))


def _run(module: str, *words: str) -> dict[str, Any]:
    """What a measurement in a process of its own tells."""
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _plan_all(records: Search) -> dict[str, int]:
    """Plan the month; how many wholes and lines that gives."""
    wholes = lines = 0
    for whole in plan(records.keyed_in_hand(_MERGE), _LIMITS):
        wholes += 1
        lines += len(whole.lines)
    return {"wholes": wholes, "lines": lines}


def _tell(made: Path) -> None:
    """Plan the month in a journal that is open, as a gateway's is."""
    with JournalClient.open(read_settings(made).database.url, made) as client, client.search() as records:
        told(lambda: _plan_all(records))


# What is merged


class _Goods:
    """Heads and lines that look like a year's: a few thousand enterprises' terms, and fifty goods of each."""

    def __init__(self, heads: int) -> None:
        self._random = random.Random(7)
        pick = self._random.choice
        self.heads = [
            f"9131{n:06d}MA1K,3100{n % 400:06d},{pick(['0110', '0615', '1233'])},{pick(['2248', '2225'])},{pick('IE')},{pick(['USD', 'EUR'])},"
            f"{pick(['DEU', 'JPN'])},{pick('2459')},CT-{n % 5000:05d},{pick(['CIF', 'FOB'])},101,B{n % 900:09d}"
            for n in range(heads)
        ]
        self.goods = [
            f"8479{self._random.randrange(10**6):06d},数控加工中心部件{n % 300},型号HSK-A63/{n},{pick(['001', '007', '035'])},035,"
            f"{pick(['DEU', 'JPN', 'CHN'])},1"
            for n in range(_LINES_OF_HEAD * 40)
        ]

    def row(self, head: int) -> tuple[str, tuple[int, ...]]:
        """The text of a line's own key, and its numbers."""
        r = self._random
        good = self.goods[head % 40 * _LINES_OF_HEAD + r.randrange(_LINES_OF_HEAD)]
        return good, (r.randrange(1, 10**7), r.randrange(1, 10**6), r.randrange(1, 10**8))


def _key(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=KEY).digest()


def _lists(lines: int, out: Any) -> Iterator[tuple[Document, KeyedDocument]]:
    """Lists in the order in which they came, of all heads by turns; their lines go to a file as text, too."""
    lists = max(1, lines // _LINES_OF_LIST)
    goods = _Goods(max(1, lists // _LISTS_OF_HEAD))
    for n in range(lists):
        head = n * 7919 % len(goods.heads)
        rows = [goods.row(head) for _ in range(_LINES_OF_LIST)]
        for good, numbers in rows:
            out.write(f"{goods.heads[head]},{good},{','.join(number_of(v, p) for v, p in zip(numbers, _PLACES, strict=True))}\n")
        keyed = KeyedDocument(
            key=_key(goods.heads[head]),
            pool=pool_named("1I"),
            month=202611,
            day=f"2026-11-{n * 30 // lists + 1:02d}",
            number=f"{n:018d}",
            rates="2026-11-30",
            merge=_MERGE,
            sums=(7, 82_050_000, 80_000_000, 0, 0, 0),
            count=len(rows),
            totals=tuple(map(sum, zip(*(numbers for _, numbers in rows), strict=True))),
            lines=tuple(KeyedLine(_key(good), numbers) for good, numbers in rows),
        )
        yield Document(new_id(), "demo", "", "", "", 1, "", 0, 0), keyed


def _fill(url: str, made: Path, file: Path, lines: int) -> None:
    engine = open_engine(url, made, writes=True)
    sql = BulkStatements(engine.dialect)
    with file.open("w", encoding="utf-8") as out:
        every = _lists(lines, out)
        while part := list(islice(every, _AT_ONCE)):
            with engine.begin() as connection:
                sql.insert(connection, tables.keyed, [keyed_row(document, keyed) for document, keyed in part])
                sql.insert(connection, tables.keyed_line, [row for d, keyed in part for row in keyed_line_rows(d.id, keyed)])
    engine.dispose()


# What is written


def _written(url: str, made: Path) -> tuple[float, float]:
    """Seconds of processor time for writing what was planned, by the journal and by bare inserts; medians of rounds in turn."""
    with JournalClient.open(url, made) as client, client.search() as records:
        wholes = list(plan(records.keyed_in_hand(_MERGE), _LIMITS))
    pairs = [
        (_by_journal(url, made, list(_made(wholes, n))), _bare(url, made, list(_made(wholes, -n - 1)))) for n in range(_ROUNDS)
    ]
    mine, bare = (middle.median(column) for column in zip(*pairs, strict=True))
    return mine, bare


Made = Sequence[tuple[Document, Relation]]


def _made(wholes: Iterable[PlannedWhole], turn: int) -> Iterator[Made]:
    """A portion for each commit: documents of as many lines as were planned, and what became them."""
    portion: list[tuple[Document, Relation]] = []
    lists = 0
    for whole in wholes:
        rows = [{f"Field{n}": f"值{value}" for n, value in enumerate((*line.sums, *range(16)))} for line in whole.lines]
        content: Content = {"Lines": rows}
        id_ = derived_id("bench", str(turn), whole.name)
        document = Document(id_, "demo", "", id_, "", 1, "draft", 0, 0, content, numbers={"unified": id_})
        portion.append((document, Relation(id_, whole.parts)))
        lists += len(whole.parts)
        if lists >= _PORTION:
            yield portion
            portion, lists = [], 0
    if portion:
        yield portion


def _by_journal(url: str, made: Path, portions: Iterable[Made]) -> float:
    journal = Journal.open(url, made)
    try:
        now, began = clock.now_ms(), time.process_time()
        for portion in portions:
            message = Message(new_id(), Kind.SUBMISSION, "demo", "", "merge", State.CHECKED, now, now)
            documents, relations = zip(*portion, strict=True)
            journal.finish([(Outcome(message, None, "merge", documents=documents, relations=relations),)])
        return time.process_time() - began
    finally:
        journal.close()


def _bare(url: str, made: Path, portions: Iterable[Made]) -> float:
    engine = open_engine(url, made, writes=True)
    sql = BulkStatements(engine.dialect)
    began = time.process_time()
    for portion in portions:
        with engine.begin() as connection:
            sql.insert(connection, tables.document, [document_row(document) for document, _ in portion])
            sql.insert(connection, tables.relation, [row for _, relation in portion for row in relation_rows(relation)])
    took = time.process_time() - began
    engine.dispose()
    return took


if __name__ == "__main__":
    _tell(Path(sys.argv[1]))
