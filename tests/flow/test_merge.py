"""What documents of a month become: merged by a message, with what is left out told, and freed where it comes to nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from daily_slots import it_is
from merge_desk import Counting, open_counting
from merges import INVOICE, MERGE, NOTE, PROFILE, write_merges
from rounds import turn

from tongguan.gateway.flow.merging.deadlines import merging_types, undeclared
from tongguan.gateway.flow.merging.letting_go import freeing, in_work, owner_of
from tongguan.gateway.flow.merging.merge import _Work as Work
from tongguan.gateway.flow.orders import carry_out
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Text

pytestmark = pytest.mark.requirement("CD-11")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Counting]:
    with open_counting(tmp_path) as counting:
        yield counting


def test_the_notes_of_a_month_become_invoices_and_the_sums_agree(desk: Counting) -> None:
    notes = [
        desk.note("2030-06-02", rows=[("a", "1.50", "2")], Place="x"),
        desk.note("2030-06-01", rows=[("a", "1.5", "3.25"), ("b", "2", "1")], Place="y"),
    ]
    other = desk.note("2030-06-03", buyer="B")
    merge = desk.merge()

    assert merge["state"] == "accepted" and desk.words(MERGE, merge["document"]) == ["已生成"]
    assert desk.words(NOTE, *notes, other) == ["已汇总"] * 3
    invoices = [desk.invoice(merge, 1), desk.invoice(merge, 2)]
    first = next(each for each in invoices if each["body"]["Head"]["Buyer"] == "A")["body"]
    assert first["Head"] == {
        "Kind": "1", "Buyer": "A", "Days": "2030060120300602", "Places": "y;x", "Remark": "汇总2030-06", "Weight": "3",
    }  # fmt: skip
    assert first["Body"]["Line"] == [
        {"Code": "a", "Price": "1.5", "Amount": "5.25"},
        {"Code": "b", "Price": "2", "Amount": "1"},
    ]
    result = desk.result(merge)
    assert [result[name] for name in ("taken", "left", "declarations", "deadline")] == [3, 0, 2, "2030-07-10"]
    assert [result[f"{name}_before"] for name in ("Weight", "Amount")] == ["4.5", "8.25"]
    assert [result[f"{name}_after"] for name in ("Weight", "Amount")] == ["4.5", "8.25"]


def test_that_it_begins_is_said_at_once_and_once(desk: Counting) -> None:
    desk.note()
    merge = desk.merge()

    answers = [path.name for path in desk.shop.site.inbox("Successed_") if merge["file"].removesuffix(".json") in path.name]
    assert len(answers) == 1
    history = [move["state"] for move in merge["history"]] if "history" in merge else []
    assert history.count("accepted") <= 1


def test_what_is_left_out_is_told_with_its_reason(desk: Counting) -> None:
    taken, underway, other_kind, later = (
        desk.note(), desk.note(ready=False), desk.note(kind="2"), desk.note("2030-07-01"),
    )  # fmt: skip
    unrated = desk.note("2030-10-01")
    merge = desk.merge()
    rows = {row["note"]: (row["taken"], row["why"]) for row in desk.result(merge)["rows"]}

    own = {key: desk.document(NOTE, key)["numbers"]["own"] for key in (taken, underway, other_kind, later, unrated)}
    assert rows == {own[taken]: ("1", ""), own[underway]: ("0", "送货单状态为“在途”")}
    assert desk.words(MERGE, merge["document"]) == ["部分未生成"]
    desk.today = "2030-11-02T12:00:00"
    gap = desk.merge(Month="2030-10")
    assert [(row["taken"], row["why"]) for row in desk.result(gap)["rows"]] == [("0", "代码表 rates 没有适用于 2030-10-01 的行")]
    assert desk.words(MERGE, gap["document"]) == ["部分未生成"]
    assert desk.words(NOTE, unrated, underway, other_kind, later) == ["已签收", "在途", "已签收", "已签收"]


@pytest.mark.requirement("CD-12")
def test_rates_buyers_and_full_invoices_part_what_is_made(desk: Counting) -> None:
    for day in ("2030-06-14", "2030-06-15"):  # other rates hold from the 15th on
        desk.note(day)
    full = desk.note("2030-06-20", rows=[("a", "1", "1"), ("b", "1", "1"), ("c", "1", "1")])
    merge = desk.merge()

    made = [desk.invoice(merge, n)["body"] for n in (1, 2)]
    assert [(i["Head"]["Days"], [line["Amount"] for line in i["Body"]["Line"]]) for i in made] == [
        ("2030061420300614", ["2"]),
        ("2030061520300620", ["3", "1", "1"]),
    ]
    assert desk.words(NOTE, full) == ["已汇总"]


def test_what_is_offered_is_what_is_taken(desk: Counting) -> None:
    desk.note(), desk.note(ready=False)
    name = desk.shop.site.drop(
        '{"type": "XX.merge", "operation": "query", "kind": "offer", "reference": "q1", "body": {"Kind": "1", "Month": "2030-06"}}',
        suffix=".json",
    )
    status = desk.shop.play(name)
    assert status["state"] == "accepted", status["faults"]
    merge = desk.merge()

    offered = json.loads(desk.shop.site.result(name).read_bytes())["rows"]
    became = desk.result(merge)["rows"]
    assert [(r["note"], r["taken"], r["why"]) for r in offered] == [(r["note"], r["taken"], r["why"]) for r in became]


def test_chosen_notes_alone_are_merged(desk: Counting) -> None:
    chosen, other = desk.note(), desk.note()
    merge = desk.merge(Month=None, Chosen=[{"No": chosen}])

    assert merge["state"] == "accepted", merge["faults"]
    assert desk.words(NOTE, chosen, other) == ["已汇总", "已签收"]


def test_a_deleted_invoice_frees_its_notes_and_the_next_merge_makes_another(desk: Counting) -> None:
    notes = [desk.note(), desk.note()]
    first = desk.merge("M-1")
    desk.send(INVOICE, "delete", {}, "M-1-1")
    assert desk.words(NOTE, *notes) == ["已签收"] * 2

    second = desk.merge("M-2")
    assert desk.words(NOTE, *notes) == ["已汇总"] * 2
    assert desk.invoice(second)["numbers"]["own"] != first["message_id"]
    related = related_to(desk, notes[0])
    assert [alive for _, alive in related] == [False, True]


def related_to(desk: Counting, note: str) -> list[tuple[str, bool]]:
    """What a note became, and whether that lives."""
    with desk.shop.daemon.journal.search() as records:
        id_ = next(m.document_id for m in records.list_messages([], limit=100) if m.document == note)
        return sorted(((each.whole_id, each.alive) for each in records.became([id_ or ""])), key=lambda each: each[1])


def test_an_invoice_that_is_refused_frees_its_notes(desk: Counting) -> None:
    long = desk.note(Place="x")
    desk.shop.stop()
    types = desk.shop.home.parent / "types" / "mofcom" / INVOICE / "fields.csv"
    text = types.read_text("utf-8")
    types.write_text(
        text.replace("Head/Remark,Remark,备注,remark,text,20,,,,", "Head/Remark,Remark,备注,remark,text,20,,,,[a-z]+"), "utf-8"
    )
    merge = desk.merge("M-1")

    assert merge["state"] == "accepted"
    refused = desk.shop.site.status("M-1-1.json")
    assert refused is not None and refused["state"] == "refused"
    assert desk.words(NOTE, long) == ["已签收"]
    desk.shop.stop()
    types.write_text(text, "utf-8")
    again = desk.merge("M-2")
    assert desk.words(NOTE, long) == ["已汇总"] and desk.invoice(again)["body"]["Head"]["Remark"] == "汇总2030-06"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"Agent": "NOBODY"}, ("GW-F70", "Agent")),
        ({"Month": "2030-13"}, ("GW-C05", "Month")),
        ({"Month": "2030-08"}, ("GW-F74", "Month")),
        ({"Month": "2029-12"}, ("GW-F75", "Month")),
        ({"Chosen": [{"No": "nothing"}]}, ("GW-F71", "Chosen/0/No")),
        ({"Chosen": [{"No": "OTHER"}]}, ("GW-F73", "Chosen/0/No")),
        ({"Chosen": [{"No": "GOOD"}, {"No": "EARLY"}]}, ("GW-F72", "Chosen/1/No")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_merged_so_is_told_where_it_stands(
    desk: Counting, body: dict[str, object], wrong: tuple[str, str]
) -> None:
    desk.note(key="GOOD"), desk.note(key="EARLY", ready=False), desk.note(key="OTHER", kind="2")
    status = desk.merge(**body)

    assert status["state"] == "refused"
    assert wrong in [(f["code"], f["path"].removeprefix("/body/")) for f in status["faults"]]
    assert desk.words(NOTE, "GOOD") == ["已签收"]


def merging(desk: Counting, key: str, **body: object) -> str:
    frame = {"type": MERGE, "operation": "merge", "reference": key, "body": {"Kind": "1", "Month": "2030-06", **body}}
    return desk.shop.site.drop(json.dumps(frame), suffix=".json")


def test_of_two_merges_of_one_month_the_second_waits_for_the_first_and_takes_what_that_left(desk: Counting) -> None:
    notes = [desk.note(buyer=buyer) for buyer in "AAABBC"]
    first, second = merging(desk, "T-1", Buyer="A"), merging(desk, "T-2")
    waiting = dict[str, object]()

    def waits() -> bool:
        status = desk.shop.site.status(second) or {}
        waiting.update(status if status.get("waits_on") else {})
        return bool(waiting)

    it_is(desk.shop.daemon, desk.today)
    desk.shop.turns(waits)
    assert waiting["waiting_for"] == "other document"
    assert (waiting["waits_on"]["type"], waiting["waits_on"]["document"]) == (MERGE, "T-1")  # type: ignore[index]

    done = [desk.shop.play(name) for name in (first, second)]
    assert {status["state"] for status in done} == {"accepted"} and "waits_on" not in done[1]
    assert desk.words(NOTE, *notes) == ["已汇总"] * 6
    assert [desk.result(status)["taken"] for status in done] == [3, 3]
    with desk.shop.daemon.journal.search() as records:
        moves = {key: [m.entry for m in records.moves(status["message_id"])] for key, status in zip("12", done, strict=True)}
    taking = [entry for entry in moves["2"] if entry > max(moves["1"])]
    assert len(taking) > 3, "the second one has taken nothing before the first one's end"


def test_what_a_merge_names_and_another_one_took_meanwhile_is_told(desk: Counting) -> None:
    note = desk.note()
    own = desk.document(NOTE, note)["numbers"]["own"]
    first, second = (merging(desk, key, Chosen=[{"No": note}]) for key in ("T-1", "T-2"))
    it_is(desk.shop.daemon, desk.today)
    done = [desk.shop.play(name) for name in (first, second)]

    taken, left = sorted((desk.result(status) for status in done), key=lambda result: -int(result["taken"]))
    assert [(row["note"], row["taken"], row["why"]) for row in taken["rows"]] == [(own, "1", "")]
    assert [(row["note"], row["taken"], row["why"]) for row in left["rows"]] == [(own, "0", "送货单状态为“已汇总”")]
    assert sorted(desk.words(MERGE, "T-1", "T-2")) == ["已生成", "部分未生成"]


def test_a_merge_of_other_months_or_of_another_kind_waits_for_nobody(desk: Counting) -> None:
    desk.note(), desk.note(kind="2"), desk.note("2030-05-03")
    names = [merging(desk, "T-1"), merging(desk, "T-2", Kind="2"), merging(desk, "T-3", Month="2030-05")]
    desk.today = "2030-07-05T12:00:00"
    done = [desk.shop.play(name) for name in names]

    with desk.shop.daemon.journal.search() as records:
        whys = [move.why for status in done for move in records.moves(status["message_id"])]
    assert not any("is at work on the same" in (why or "") for why in whys)
    assert [desk.result(status)["taken"] for status in done] == [1, 1, 1]


def test_a_merge_that_is_held_or_given_up_keeps_no_other_one_waiting(desk: Counting) -> None:
    notes = [desk.note(buyer=buyer) for buyer in "AAABBC"]
    names = [merging(desk, key) for key in ("M-1", "M-2")]
    it_is(desk.shop.daemon, desk.today)
    desk.shop.turns(lambda: any((desk.shop.site.status(name) or {}).get("waits_on") for name in names))
    first, second = sorted(names, key=lambda name: bool((desk.shop.site.status(name) or {}).get("waits_on")))
    id_ = str((desk.shop.site.status(first) or {})["message_id"])
    assert order(desk, "hold", id_) == "held"
    assert desk.shop.play(second)["state"] == "accepted"

    assert order(desk, "give-up", id_) == "given_up"
    desk.merge("M-3")
    assert desk.words(NOTE, *notes) == ["已汇总"] * 6


def test_an_agent_is_named_and_declares(desk: Counting) -> None:
    desk.note()
    merge = desk.merge(Agent="AG1")

    assert desk.document(MERGE, merge["document"])["body"]["AgentName"] == "示例代理"
    assert desk.invoice(merge)["body"]["Head"]["Agent"] == "示例代理"
    assert desk.result(merge)["declares"] == "示例代理"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('ready = "ready"', 'ready = "redy"', "unknown status of XX.note 'redy'; did you mean 'ready'?"),
        ('makes = "XX.invoice"', 'makes = "XX.invoices"', "unknown document type of merge 'XX.invoices'"),
        ('Days = "span:Day"', 'Days = "span:Dey"', "unknown field of XX.note 'Dey'"),
        ('Days = "span:Day"', 'Dais = "span:Day"', "unknown field of XX.invoice 'Head/Dais'"),
        ('Days = "span:Day"', 'Days = "sum:Day"', "Days comes from 'sum:Day': it must be one of"),
        ('Agent = "agent:name"', 'Agent = "agent:age"', "it must be one of"),
        ('parts_by = "own"', 'parts_by = "customs"', "unknown number of XX.note 'customs'"),
        ('filters = { Buyer = "Buyer" }', 'filters = { Buyer = "Place" }', "unknown field of XX.note 'Place'"),
        ('offer = "offer"', 'offer = "offers"', "there is no query 'offers'"),
        ('of = { Kind = ["2"] }', 'of = { Sort = ["2"] }', "unknown field 'Sort'"),
        ('of = { Kind = ["2"] }', 'of = { Agent = ["2"] }', "unknown field of XX.note [lines] pool 'Agent'"),
        ('month = "Month"\n[merge]', 'month = "Months"\n[merge]', "unknown field 'Months'"),
        ('most_lines = 3', 'most_line = 3', "unknown key 'most_line'"),
        ('rates = ["rates"]', 'rates = ["dates"]', "'dates'"),
    ],
    ids=lambda text: text.split(" = ")[0] if " = " in text else "",
)  # fmt: skip
def test_a_merge_that_cannot_be_stops_the_start_and_says_where(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in PROFILE
    with pytest.raises(SettingsWrong) as told:
        load_profiles(write_merges(tmp_path / "types", merge=PROFILE.replace(old, new)))

    assert said in told.value.en, told.value.en
    assert f"{MERGE}/profile.toml:" in told.value.en


def half_way(desk: Counting, key: str, *notes: str) -> str:
    """The id of a merge that has taken these notes in hand, and goes no further for now."""
    desk.shop.site.drop(
        json.dumps({"type": MERGE, "operation": "merge", "reference": key, "body": {"Kind": "1", "Month": "2030-06"}}),
        suffix=".json",
    )
    desk.shop.turns(lambda: {desk.shop.business(NOTE, note) for note in notes} == {"汇总中"})
    with desk.shop.daemon.journal.search() as records:
        return next(m.id for m in records.list_messages([], limit=100) if m.reference == key)


def order(desk: Counting, word: str, id_: str) -> str:
    done: str = carry_out(desk.shop.daemon.site, {"do": word, "ids": [id_]}, who="test", why="a test wants it")["messages"][id_]
    return done


def test_a_merge_in_work_is_not_stopped_and_one_that_is_held_goes_on(desk: Counting) -> None:
    note = desk.note()
    merge = half_way(desk, "M-1", note)

    assert "can no longer be stopped" in order(desk, "stop", merge)
    assert order(desk, "hold", merge) == "held"
    desk.shop.turns(lambda: not turn(desk.shop.daemon))
    assert desk.shop.business(NOTE, note) == "汇总中"
    order(desk, "release", merge)
    assert desk.words(NOTE, note) == ["已汇总"]


def test_a_merge_that_is_given_up_lets_go_of_what_it_has_in_hand(desk: Counting) -> None:
    notes = [desk.note(), desk.note(buyer="B")]
    merge = half_way(desk, "M-1", *notes)
    order(desk, "hold", merge)

    assert order(desk, "give-up", merge) == "given_up"
    assert desk.words(NOTE, *notes) == ["已签收"] * 2
    desk.merge("M-2")
    assert desk.words(NOTE, *notes) == ["已汇总"] * 2


def deleting(desk: Counting, *notes: str) -> int:
    """How many notes are free in the first round in which some are since their invoice was deleted."""
    frame = {"type": INVOICE, "operation": "delete", "reference": "D", "document": "M-1-1", "body": {}}
    desk.shop.site.drop(json.dumps(frame), suffix=".json")
    it_is(desk.shop.daemon, desk.today)

    def free() -> int:
        return sum(desk.shop.business(NOTE, note) == "已签收" for note in notes)

    desk.shop.turns(free)
    return free()


def letting_go(desk: Counting) -> Message:
    """The message that lets go of notes just now."""
    with desk.shop.daemon.journal.search() as records:
        return next(m for m in records.open_messages("demo", 10) if m.type == MERGE)


def test_of_what_came_to_nothing_many_documents_are_freed_in_portions(desk: Counting) -> None:
    notes = [desk.note() for _ in range(5)]
    desk.merge("M-1")
    deleting(desk, *notes)
    message = letting_go(desk)
    assert desk.words(NOTE, *notes) == ["已签收"] * 5

    with desk.shop.daemon.journal.search() as records:
        commits = Counter((move.run, move.entry) for move in records.moves(message.id) if move.document_id)
        assert sorted(commits.values()) == [1, 2], "the first two went with the invoice"
    assert [alive for _, alive in related_to(desk, notes[4])] == [False]
    desk.merge("M-2")
    assert desk.words(NOTE, *notes) == ["已汇总"] * 5
    assert desk.shop.daemon.journal.verify().broken is None


def test_what_is_let_go_just_now_is_named_among_what_must_be_declared(desk: Counting) -> None:
    notes = [desk.note() for _ in range(5)]
    desk.merge("M-1")
    free = deleting(desk, *notes)
    with desk.shop.daemon.journal.search() as records:
        (types,) = merging_types(desk.shop.daemon.site.rules)
        why = Counter(one.why.zh for one in undeclared(types, ["demo"], records))

    assert why == {"已签收": free, "发票 M-1-1 已作废，即将可再次汇总": 5 - free}


def test_nobody_ends_what_lets_documents_go_and_whoever_frees_them_too_leaves_them_to_it(desk: Counting) -> None:
    notes = [desk.note() for _ in range(5)]
    desk.merge("M-1")
    deleting(desk, *notes)
    message, site = letting_go(desk), desk.shop.daemon.site
    with desk.shop.daemon.journal.read() as records:
        whole = owner_of(message) or ""
        again = Outcome(message, message.state, "x", release=records.reservations_of(whole))
        after = freeing(site.rules.types, again, records, at=1)
    assert again.release and (after.release, after.documents, after.follow_ons) == ((), (), ())

    assert "can no longer be stopped" in order(desk, "stop", message.id)
    assert order(desk, "hold", message.id) == "held"
    assert "can no longer be stopped" in order(desk, "stop", message.id)
    assert "cannot be ended" in order(desk, "give-up", message.id)
    order(desk, "release", message.id)
    assert desk.words(NOTE, *notes) == ["已签收"] * 5


def some_merged(desk: Counting, *notes: str) -> Message:
    """A merge that has put some of these notes into their invoice, and the others not yet."""
    frame = {"type": MERGE, "operation": "merge", "reference": "M-1", "body": {"Kind": "1", "Month": "2030-06"}}
    desk.shop.site.drop(json.dumps(frame), suffix=".json")
    it_is(desk.shop.daemon, desk.today)
    station = next(each for each in desk.shop.daemon.stations if each.name == "merge")
    desk.shop.turns(lambda: "汇总中" in {desk.shop.business(NOTE, note) for note in notes})
    with desk.shop.daemon.journal.search() as records:
        while not in_work(records.open_messages("demo", 1)[0])[0]:
            assert station.turn()
            with desk.shop.daemon.journal.search() as later:
                message = later.open_messages("demo", 1)[0]
            if in_work(message)[0]:
                return message
        return records.open_messages("demo", 1)[0]


def test_an_invoice_of_many_notes_is_made_in_portions_and_none_is_forgotten_meanwhile(
    desk: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, content = list[int](), Work._content
    monkeypatch.setattr(
        Work, "_content", lambda work, kept, parts: read.append(work.far.get("part", 0)) or content(work, kept, parts)
    )
    notes = [desk.note() for _ in range(5)]
    message = some_merged(desk, *notes)
    with desk.shop.daemon.journal.search() as records:
        (types,) = merging_types(desk.shop.daemon.site.rules)
        why = Counter(one.why.zh for one in undeclared(types, ["demo"], records))
    assert why == {"汇总中": 3, "发票 M-1-1 尚未生成": 2}

    assert desk.words(NOTE, *notes) == ["已汇总"] * 5
    assert len(desk.document(INVOICE, "M-1-1")["body"]["Notes"]) == 5
    with desk.shop.daemon.journal.search() as records:
        commits = Counter((move.run, move.entry) for move in records.moves(message.id) if move.document_id in ids(desk, *notes))
    assert sorted(commits.values()) == [1, 1, 2, 2, 2, 2], "taken, and merged"
    assert set(read) == {0}, "all of them are read for what it says with the first portion alone"


def ids(desk: Counting, *notes: str) -> set[str]:
    with desk.shop.daemon.journal.search() as records:
        return {m.document_id or "" for m in records.list_messages([], limit=100) if m.document in notes}


def test_a_merge_that_is_given_up_within_an_invoice_frees_what_went_into_it_too(desk: Counting) -> None:
    notes = [desk.note() for _ in range(5)]
    message = some_merged(desk, *notes)

    order(desk, "hold", message.id)
    assert order(desk, "give-up", message.id) == "given_up"
    assert desk.words(NOTE, *notes) == ["已签收"] * 5
    assert [alive for _, alive in related_to(desk, notes[0])] == [False]
    desk.merge("M-2")
    assert desk.words(NOTE, *notes) == ["已汇总"] * 5
    assert desk.shop.daemon.journal.verify().broken is None


def test_an_invoice_that_cannot_be_made_any_more_when_all_has_gone_into_it_frees_them(
    desk: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = [desk.note() for _ in range(5)]
    message = some_merged(desk, *notes)
    monkeypatch.setattr(Work, "_made", lambda *_: Text("没有账户", "there is no account"))

    assert desk.words(NOTE, *notes) == ["已签收"] * 5
    assert desk.words(MERGE, "M-1") == ["部分未生成"], "there were some: it is not that there was nothing"
    told = json.loads(desk.shop.site.result(f"{message.source}").read_bytes())
    assert {row["status"] for row in told["rows"]} == {"已签收"}, "where they are now"
    assert {row["why"] for row in told["rows"]} == {"没有账户"} and (told["taken"], told["left"]) == (0, 5)
