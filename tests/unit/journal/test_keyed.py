"""What is kept of documents for merging them: found in the order of their keys, written with them, and gone with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from journals import comes, document, keyed, stored_document, submission, written

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.keyed import BEGINNING
from tongguan.gateway.journal.reading.restrictions import of_documents
from tongguan.gateway.model.document import KeyedDocument, KeyedLine
from tongguan.gateway.model.outcome import RelatedPart, Relation, Reservation

GONE = KeyedDocument()


def moved(journal: Journal, id_: str, kept: KeyedDocument | None, version: int = 1, **more: Any) -> None:
    written(journal, comes(submission(), documents=(document(id_, version=version, keyed=kept, **more),)))


def heads(journal: Journal, **more: Any) -> list[str]:
    with journal.read() as records:
        found = records.keyed_of("demo", "T", pool="1+I", month=202611, **{"limit": 100, **more})
    return [each.head.id for each in found]


def lines(journal: Journal, merge: str) -> dict[str, Sequence[Any]]:
    with journal.read() as records:
        return {each.head.id: each.rows for each in records.keyed_in_hand(merge)}


def of(kept: KeyedDocument) -> list[tuple[Any, ...]]:
    """The rows that its lines make."""
    return [(line.key, *line.sums) for line in kept.lines or ()]


def test_they_come_by_key_then_day_then_number(journal: Journal) -> None:
    days = {
        "a": (2, "2026-11-02", "N2"),
        "b": (1, "2026-11-03", "N1"),
        "c": (1, "2026-11-03", "N0"),
        "d": (1, "2026-11-01", "N9"),
    }
    for id_, (key, day, number) in days.items():
        moved(journal, id_, keyed(key=bytes([key]) * 16, day=day, number=number))
    moved(journal, "e", keyed(pool="1+E"))
    moved(journal, "f", keyed(month=202612))

    assert heads(journal) == ["d", "c", "b", "a"]
    assert journal.verify().broken is None


def test_each_page_goes_on_behind_the_one_before(journal: Journal) -> None:
    for n in range(30):
        moved(journal, f"d{n}", keyed(n, number="same", day="2026-11-01"))
    found, after = list[str](), BEGINNING
    with journal.read() as records:
        while page := records.keyed_of("demo", "T", pool="1+I", month=202611, after=after, limit=7):
            found += [each.head.id for each in page]
            after = page[-1].head.place

    assert sorted(found) == sorted(f"d{n}" for n in range(30))
    assert len(found) == 30


def test_what_the_document_is_now_is_told_and_restricts(journal: Journal) -> None:
    moved(journal, "a", keyed(1), status="cleared")
    moved(journal, "b", keyed(2), status="declared")
    moved(journal, "a", None, 2, status="merging")
    with journal.read() as records:
        found = records.keyed_of("demo", "T", pool="1+I", month=202611, limit=9)

    assert [(each.head.id, each.version, each.status) for each in found] == [("a", 2, "merging"), ("b", 1, "declared")]
    assert heads(journal, where=of_documents(statuses=["declared"])) == ["b"]


def test_the_months_of_a_pool_are_told(journal: Journal) -> None:
    for n, month in enumerate((202612, 202610, 202612)):
        moved(journal, f"d{n}", keyed(n, month=month))
    with journal.read() as records:
        assert records.months_of("demo", "T", "1+I") == [202610, 202612]
        assert records.months_of("demo", "T", "2+I") == []


def test_what_one_thing_has_in_hand_comes_with_its_lines_however_many_there_are(journal: Journal) -> None:
    kept = {f"d{n:04d}": keyed(n % 250, number=f"N{n}", merge="m1" if n % 10 else "m2") for n in range(1000)}
    for id_, each in kept.items():
        moved(journal, id_, each)

    for merge in ("m1", "m2"):
        assert lines(journal, merge) == {id_: of(each) for id_, each in kept.items() if each.merge == merge}


def test_nineteen_digits_with_their_decimals_come_back_as_they_were(journal: Journal) -> None:
    sums = (10**24 - 1, 0, 1, 10**12)
    moved(journal, "d", keyed(sums=sums))
    with journal.read() as records:
        (found,) = records.keyed_of("demo", "T", pool="1+I", month=202611, limit=9)

    assert found.head.sums == sums


def test_lines_of_any_number_of_digits_come_back_as_they_were(journal: Journal) -> None:
    sums = [(10**24 - 1, 0, 1, 10**18), (5, 6, 7, 8), (10**18 - 1, 0, 0, 0)]
    for n, each in enumerate(sums):
        lines_ = (KeyedLine(bytes([n]) * 16, each),)
        moved(journal, f"d{n}", keyed(1, number=str(n), merge=f"m{n % 2}", lines=lines_, count=1))
        moved(journal, f"d{n}", keyed(1, number=str(n), merge=f"m{n % 2}", lines=None, count=1), 2)

    found = {**lines(journal, "m0"), **lines(journal, "m1")}
    assert found == {f"d{n}": [(bytes([n]) * 16, *each)] for n, each in enumerate(sums)}


def test_a_later_version_puts_its_own_in_their_place(journal: Journal) -> None:
    moved(journal, "d", keyed(1, merge="m"))
    moved(journal, "d", keyed(2, merge="m", lines=keyed(9).lines[:1], count=1), 2)  # type: ignore[index]

    assert lines(journal, "m") == {"d": of(keyed(9))[:1]}
    assert journal.verify().broken is None


def test_a_later_version_may_leave_the_lines_as_they_were(journal: Journal) -> None:
    moved(journal, "d", keyed(1))
    moved(journal, "d", keyed(1, merge="m", lines=None), 2)

    assert lines(journal, "m") == {"d": of(keyed(1))}
    assert journal.verify().broken is None


def test_of_a_document_of_which_nothing_was_kept_yet_its_head_alone_is_not(journal: Journal) -> None:
    moved(journal, "d", None)
    moved(journal, "d", keyed(1, lines=None), 2)

    assert heads(journal) == []
    assert journal.verify().broken is None


def test_two_versions_of_one_commit_leave_what_the_last_says(journal: Journal) -> None:
    first = comes(submission("m"), documents=(document("d", keyed=keyed(1)),))
    written(
        journal, (first, comes(submission("n"), documents=(document("d", version=2, keyed=keyed(1, merge="m", lines=None)),)))
    )

    assert lines(journal, "m") == {"d": of(keyed(1))}
    assert journal.verify().broken is None


def test_nothing_is_left_of_a_document_of_which_nothing_is_kept(journal: Journal) -> None:
    moved(journal, "d", keyed(1, merge="m"))
    moved(journal, "d", GONE, 2)

    assert (heads(journal), lines(journal, "m")) == ([], {})
    assert journal.verify().broken is None
    moved(journal, "d", GONE, 3)
    moved(journal, "d", keyed(1, merge="m"), 4)
    assert lines(journal, "m") == {"d": of(keyed(1))}
    assert journal.verify().broken is None


def test_a_document_comes_back_without_what_is_kept_of_it(journal: Journal) -> None:
    moved(journal, "d", keyed(1))

    assert stored_document(journal, "d").keyed is None


def related(journal: Journal, whole: str) -> list[tuple[str, str, bytes, bool]]:
    with journal.read() as records:
        return [(r.whole_id, r.part_id, r.places, r.alive) for r in records.came_of([whole])]


def test_a_relation_is_found_from_both_sides(journal: Journal) -> None:
    parts = (RelatedPart("b", b"\1\2"), RelatedPart("a", b"\2\3"))
    written(journal, comes(submission(), relations=(Relation("w1", parts), Relation("w2", (RelatedPart("a", b"\1"),)))))

    assert related(journal, "w1") == [("w1", "b", b"\1\2", True), ("w1", "a", b"\2\3", True)]
    with journal.read() as records:
        assert [(r.whole_id, r.places) for r in records.became(["a"])] == [("w1", b"\2\3"), ("w2", b"\1")]


def test_what_became_of_a_whole_that_came_to_nothing_stays_marked(journal: Journal) -> None:
    written(journal, comes(submission(), relations=(Relation("w1", (RelatedPart("a", b"\1"),)),)))
    written(journal, comes(submission(), relations=(Relation("w1", alive=False), Relation("w2", (RelatedPart("a", b"\1"),)))))
    with journal.read() as records:
        assert [(r.whole_id, r.alive) for r in records.became(["a"])] == [("w1", False), ("w2", True)]

    assert journal.verify().broken is None


def stands(journal: Journal, *statuses: str) -> list[tuple[object, ...]]:
    with journal.search() as records:
        found = list(records.standing("demo", "T", statuses))
        assert {each.id: each for each in found} == records.standing_of(each.id for each in found)
    return [(each.id, each.key, each.status, each.pool, each.month, each.day, each.number) for each in found]


def test_where_documents_stand_is_told_with_what_is_kept_of_them(journal: Journal) -> None:
    moved(journal, "a", keyed(1), status="cleared", key="K1")
    moved(journal, "b", None, status="declared", key="K2")
    moved(journal, "c", keyed(3), status="merged")
    moved(journal, "d", keyed(4), status="cleared", deleted=True)

    kept = ("a", "K1", "cleared", "1+I", 202611, "2026-11-02", "N000001")
    assert stands(journal, "cleared", "declared") == [kept, ("b", "K2", "declared", None, 0, "", "")]
    with journal.search() as records:
        assert set(records.standing_of(["c", "d", "e"])) == {"c", "d"}


def test_more_than_a_page_of_them_come_once_each(journal: Journal) -> None:
    for n in range(2100):
        moved(journal, f"d{n}", None, status="cleared")

    found = [id_ for id_, *_ in stands(journal, "cleared", "declared")]
    assert len(found) == len(set(found)) == 2100


def test_what_a_document_has_reserved_is_told_in_portions_of_values(journal: Journal) -> None:
    reserve = [Reservation(kind, f"d{n}", "w") for n in range(5) for kind in ("k", "l") if (kind, n) != ("l", 0)]
    written(journal, comes(submission(), reserve=(*reserve, Reservation("other", "d0", "w"), Reservation("k", "x", "v"))))
    with journal.read() as records:
        assert records.values_reserved("w", ["k", "l"], 2) == [("k", "d0"), ("k", "d1"), ("l", "d1")]
        assert records.values_reserved("w", ["k", "l"], 9) == sorted((one.kind, one.value) for one in reserve)
        assert records.values_reserved("nobody", ["k"], 9) == []
