"""An outcome is written whole, or not at all when what it was decided on has moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journals import (
    answer,
    body,
    comes,
    document,
    moves,
    receipt,
    receipt_message,
    stored,
    stored_document,
    submission,
    written,
)

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.writing.writer import Changed
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.message import State
from tongguan.gateway.model.outcome import Finished, Number, Outcome, Reservation

WRITTEN, CONFLICT = Finished.WRITTEN, Finished.CONFLICT


def whole(message_id: str = "m") -> Outcome:
    """An outcome with something of every kind."""
    return comes(
        submission(message_id, reference="r", document_id="d1"),
        documents=(document(facts={"code": "8409"}),),
        reserve=(Reservation("entry", "E1", "d1"),),
        receipts=(receipt("rc", message_id=message_id),),
        answers=(answer(message_id),),
        bodies=(body(message_id, b"<xml/>"),),
        numbers=(Number("a", "licence", "26AA1", "d1", "demo"),),
        follow_ons=(comes(submission("child", batch=message_id, lane=None, due_at=None)),),
    )


def rows(journal: Journal) -> dict[str, int]:
    names = ("message", "document", "fact", "number", "reservation", "receipt", "body", "answer", "move", "history", "tally")
    with journal._readers.begin() as connection:
        return {name: connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar() or 0 for name in names}


def test_an_outcome_is_written_with_all_that_goes_with_it(journal: Journal) -> None:
    before = rows(journal)
    written(journal, whole())

    assert {name: n - before[name] for name, n in rows(journal).items()} == {
        "message": 2, "document": 1, "fact": 1, "number": 1, "reservation": 1, "receipt": 1, "body": 1, "answer": 1,
        "move": 2, "history": 1, "tally": 1,
    }  # fmt: skip


def spoil_reference(journal: Journal) -> None:
    written(journal, comes(submission("first", reference="r")))


def spoil_key(journal: Journal) -> None:
    written(journal, comes(submission("first"), documents=(document("other", key="d1"),)))


def spoil_document(journal: Journal) -> None:
    written(journal, comes(submission("first"), documents=(document("d1", key="another key"),)))


def spoil_number(journal: Journal) -> None:
    written(journal, comes(submission("first"), numbers=(Number("a", "licence", "26AA1", "other", "demo"),)))


def spoil_reservation(journal: Journal) -> None:
    written(journal, comes(submission("first"), reserve=(Reservation("entry", "E1", "other"),)))


def spoil_message(journal: Journal) -> None:
    written(journal, comes(submission("m")))


def spoil_child(journal: Journal) -> None:
    written(journal, comes(submission("child")))


def test_a_number_that_went_may_come_again(journal: Journal) -> None:
    def told(value: str, version: int) -> str:
        learned = (Number("a", "licence", value, "d1", "demo"),)
        message = submission(f"m{version}", document_id="d1", reference=f"m{version}", waits=False)
        (word,) = journal.finish([(comes(message, documents=(document("d1", version=version),), numbers=learned),)])
        return word

    assert [told("26AA1", 1), told("26AA2", 2), told("26AA1", 3)] == ["written"] * 3


SPOILERS = [spoil_reference, spoil_key, spoil_document, spoil_number, spoil_reservation, spoil_message, spoil_child]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_what_clashes_is_not_written_at_all(journal: Journal, spoil: Callable[[Journal], None]) -> None:
    spoil(journal)
    before = rows(journal)
    word = journal.finish([(whole(),)])[0]

    assert word is (Finished.CLASH if spoil is spoil_number else CONFLICT)
    assert rows(journal) == before
    assert journal.verify().broken is None


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(["good", "reference", "state", "version", "number"]), min_size=1, max_size=8))
def test_one_bad_chain_of_a_batch_does_not_spoil_the_others(journal: Journal, kinds: list[str]) -> None:
    mark = new_id()
    written(journal, comes(submission(f"{mark}-0", reference=f"{mark}-taken"), numbers=(Number("a", "k", mark, mark, "demo"),)))
    chains = []
    for n, kind in enumerate(kinds, 1):
        id_ = f"{mark}-{n}"
        outcome = comes(submission(id_), documents=(document(f"{mark}-d{n}"),))
        match kind:
            case "reference":
                outcome = comes(submission(id_, reference=f"{mark}-taken"))
            case "state":
                outcome = moves(submission(id_), State.CHECKED)
            case "version":
                outcome = comes(submission(id_), documents=(document(f"{mark}-d{n}", version=2),))
            case "number":
                outcome = comes(submission(id_), numbers=(Number("a", "k", mark, id_, "demo"),))
        chains.append((outcome,))
    words = {"good": WRITTEN, "number": Finished.CLASH}
    expected = [words.get(kind, CONFLICT) for kind in kinds]

    assert journal.finish(chains) == expected
    with journal.read() as records:
        found = records.messages(chain[0].message.id for chain in chains)
        documents = records.documents(d.id for chain in chains for d in chain[0].documents)
    assert len(found) == kinds.count("good") and len(documents) == kinds.count("good")
    sequences = [found[c[0].message.id].sequence for c, kind in zip(chains, kinds, strict=True) if kind == "good"]
    assert sequences == sorted(set(sequences))
    assert journal.verify().broken is None


def test_a_message_that_moved_meanwhile_is_a_conflict(journal: Journal) -> None:
    message = submission("m")
    written(journal, comes(message))
    written(journal, moves(message, State.STOPPED))

    assert journal.finish([(moves(message, State.CHECKED),)]) == [CONFLICT]
    assert stored(journal, "m").state is State.STOPPED


def test_a_document_that_changed_meanwhile_is_a_conflict(journal: Journal) -> None:
    message = submission("m")
    written(journal, comes(message, documents=(document(),)))
    second = moves(message, State.CHECKED, documents=(document(version=2, status="pending"),))
    written(journal, comes(submission("other"), documents=(document(version=2, status="deleted"),)))

    assert journal.finish([(second,)]) == [CONFLICT]
    assert stored_document(journal).status == "deleted"
    assert stored(journal, "m").state is State.RECEIVED


def test_a_document_that_was_only_read_is_fenced_too(journal: Journal) -> None:
    message = submission("m")
    written(journal, comes(message, documents=(document(),)))
    seal = moves(message, State.SEALED, relied_on={"d1": 1})
    written(journal, comes(submission("other"), documents=(document(version=2),)))

    assert journal.finish([(seal,)]) == [CONFLICT]
    assert journal.finish([(replace(seal, relied_on={"d1": 2}),)]) == [WRITTEN]


def test_what_relied_on_the_absence_of_a_document_is_a_conflict_once_it_is_there(journal: Journal) -> None:
    message = submission("m")
    written(journal, comes(message))
    written(journal, comes(submission("other"), documents=(document(),)))

    assert journal.finish([(moves(message, State.CHECKED, relied_on={"d1": 0}),)]) == [CONFLICT]


def test_another_message_that_moved_meanwhile_is_a_conflict(journal: Journal) -> None:
    declared, told = submission("m"), receipt_message("r")
    written(journal, comes(declared), comes(told))
    ended = replace(declared, state=State.ACCEPTED, lane=None, due_at=None)
    settle = moves(told, State.SETTLED, others=(ended,), others_were={"m": State.RECEIVED})
    written(journal, moves(declared, State.STOPPED))

    assert journal.finish([(settle,)]) == [CONFLICT]
    assert stored(journal, "m").state is State.STOPPED
    assert journal.finish([(replace(settle, others_were={"m": State.STOPPED}),)]) == [WRITTEN]


def test_a_chain_leaves_the_move_of_each_step(journal: Journal) -> None:
    message = submission("m", document_id="d1")
    checked = moves(message, State.CHECKED, documents=(document(),))
    sealed = moves(checked.message, State.SEALED, bodies=(body("m", b"<sealed/>", "sealed:1"),))
    written(journal, (comes(message), checked, sealed))
    with journal.search() as records:
        steps = [(move.was, move.state) for move in records.moves("m")]
        entries = {move.entry for move in records.moves("m")}

    assert steps == [(None, "received"), ("received", "checked"), ("checked", "sealed")]
    assert len(entries) == 1
    assert stored(journal, "m").state is State.SEALED
    assert journal.verify().broken is None


def test_a_batch_sees_its_own_earlier_outcomes(journal: Journal) -> None:
    first, second = submission("a"), submission("b")
    written(
        journal,
        comes(first, documents=(document(),)),
        comes(second, documents=(document(version=2, status="pending"),)),
    )

    assert stored_document(journal).version == 2


def test_a_later_outcome_of_a_batch_falls_with_the_one_it_was_decided_on(journal: Journal) -> None:
    taken, first, second = submission("t", reference="r"), submission("a", reference="r"), submission("b")
    written(journal, comes(taken))
    words = journal.finish(
        [
            (comes(first, documents=(document(),)),),
            (comes(second, documents=(document(version=2, status="pending"),)),),
        ]
    )

    assert words == [CONFLICT, CONFLICT]


def test_a_message_moved_by_another_in_its_first_commit_is_counted_once(journal: Journal) -> None:
    new = submission("m")
    ended = replace(new, state=State.ACCEPTED, lane=None, due_at=None)
    written(journal, comes(new), comes(receipt_message("r"), others=(ended,)))
    with journal.search() as records:
        tally = {(kind, state): n for _, kind, state, n in records.tally()}

    assert stored(journal, "m").state is State.ACCEPTED
    assert tally == {("submission", "accepted"): 1, ("receipt", "received"): 1}


def test_a_message_moved_by_another_has_its_own_line_in_the_history(journal: Journal) -> None:
    sent, told = submission("m", state=State.SENT, lane=None, due_at=None), receipt_message("r")
    written(journal, comes(sent), comes(told))
    ended = replace(sent, state=State.ACCEPTED)
    written(journal, moves(told, State.SETTLED, others=(ended,)))
    with journal.search() as records:
        last = records.moves("m")[-1]

    assert (last.was, last.state, last.step) == ("sent", "accepted", "step")
    assert journal.verify().broken is None


def test_a_reference_is_free_again_when_its_message_came_to_nothing(journal: Journal) -> None:
    first = submission("a", reference="r")
    written(journal, comes(first))
    written(journal, moves(first, State.REFUSED))

    assert journal.finish([(comes(submission("b", reference="r")),)]) == [WRITTEN]
    with journal.read() as records:
        assert records.holder_of("demo", "r").id == "b"  # type: ignore[union-attr]
        assert records.last_freed("demo", "r").id == "a"  # type: ignore[union-attr]


def test_a_reference_belongs_to_its_account(journal: Journal) -> None:
    written(journal, comes(submission(reference="r")), comes(submission(reference="r", account="other")))


def test_a_key_is_free_again_when_its_document_is_deleted(journal: Journal) -> None:
    written(journal, comes(submission(), documents=(document("d1", key="k"),)))
    assert journal.finish([(comes(submission(), documents=(document("d2", key="k"),)),)]) == [CONFLICT]
    written(journal, comes(submission(), documents=(document("d1", key="k", version=2, deleted=True),)))

    written(journal, comes(submission(), documents=(document("d2", key="k"),)))


def test_a_released_reservation_can_be_made_by_another(journal: Journal) -> None:
    mine, theirs = Reservation("entry", "E1", "d1"), Reservation("entry", "E1", "d2")
    written(journal, comes(submission(), reserve=(mine,)))
    assert journal.finish([(comes(submission(), reserve=(theirs,)),)]) == [CONFLICT]
    written(journal, comes(submission(), release=(theirs,)))
    assert journal.finish([(comes(submission(), reserve=(theirs,)),)]) == [CONFLICT], "it was not theirs to release"
    written(journal, comes(submission(), release=(mine,)))

    written(journal, comes(submission(), reserve=(theirs,)))


def test_an_unmatched_receipt_is_due_in_the_commit_that_learns_its_number(journal: Journal) -> None:
    told = receipt_message("r", state=State.UNMATCHED, number="26AA1", lane=None, due_at=None)
    stranger = receipt_message("s", state=State.UNMATCHED, number="26AA2", lane=None, due_at=None)
    written(journal, comes(told), comes(stranger))
    journal.bell("settle").clear()
    written(journal, comes(submission(), numbers=(Number("a", "licence", "26AA1", "d1", "demo"),)))
    claim = journal.claim("receipts", ["settle"], limit=9)

    assert claim and claim.keys == ("r",)
    assert journal.bell("settle").is_set()


def test_answers_keep_their_names_and_no_name_is_given_twice(journal: Journal) -> None:
    written(journal, *(comes(submission(f"m{n}"), answers=(answer(f"m{n}"),)) for n in range(3)))
    with journal.search() as records:
        names = [row.file for row in records.unwritten_answers("demo", 9)]

    assert len(set(names)) == 3
    assert names[1] == names[0].replace(".xml", "-2.xml") and names[2] == names[0].replace(".xml", "-3.xml")


def test_the_counts_are_those_of_the_messages(journal: Journal) -> None:
    messages = [submission() for _ in range(5)]
    written(journal, *(comes(m) for m in messages))
    written(journal, *(moves(m, State.SENT) for m in messages[:3]), moves(messages[3], State.REFUSED))
    with journal.search() as records:
        tally = {state: n for _, _, state, n in records.tally()}

    assert tally == {"received": 1, "sent": 3, "refused": 1}


_decimals = st.decimals(allow_nan=False, allow_infinity=False, places=5).map(str)
_content = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.recursive(
        st.text() | _decimals, lambda below: st.lists(st.dictionaries(st.text(min_size=1), below, max_size=3), max_size=3)
    ),
    max_size=5,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(_content)
def test_what_a_document_says_comes_back_to_the_last_digit(journal: Journal, content: dict) -> None:  # type: ignore[type-arg]
    id_ = new_id()
    written(journal, comes(submission(), documents=(document(id_, content=content),)))

    assert stored_document(journal, id_).content == content


def test_money_longer_than_any_float_stays_exact(journal: Journal) -> None:
    price = "12345678901234567890.12345"
    written(journal, comes(submission(), documents=(document(content={"DeclPrice": price, "GQty": "0.10"}),)))
    kept: Document = stored_document(journal)

    assert kept.content == {"DeclPrice": price, "GQty": "0.10"}


def test_a_commit_says_by_account_what_it_changed_though_a_receipt_was_fetched_for_another(journal: Journal) -> None:
    """Two accounts with one code: what comes for both is fetched for one."""
    written(journal, comes(submission("m", account="other"), documents=(document(account="other"),)))
    with journal.search() as records:
        before = records.end()
    heard: list[Mapping[str, Changed]] = []
    journal.listeners.append(heard.append)
    settled = comes(
        receipt_message("r", document_id="d1"),
        documents=(document(account="other", version=2),),
        receipts=(receipt("r1", message_id="m", document_id="d1"),),
        answers=(answer("r", account="other"), answer("r", account="third")),
    )
    written(journal, settled)
    told = {account: (list(ids.messages), list(ids.documents)) for account, ids in heard[0].items()}

    assert told == {"other": (["m"], ["d1"]), "third": ([], [])}
    with journal.search() as records:
        assert list(records.moves_after("other", before)) == [[("r", "d1")]]
    assert journal.write_again("r") == 2
    assert {account: list(ids.messages) for account, ids in heard[1].items()} == {"other": ["r"], "third": ["r"]}
