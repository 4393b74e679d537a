"""A list takes what it declares of a licence that is known here: what fits, to the last digit, and gives it back when it comes to nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count, permutations
from pathlib import Path
from typing import Any

import pytest
from journals import comes, document, submission, written
from licence_types import CHANGE, LICENCE, LIST, NUMBER, licence_body, list_body, write_types
from test_every_step import abandon
from workshop import Workshop, open_workshop

from tongguan.gateway.document import quantities
from tongguan.gateway.document.licences import with_others
from tongguan.gateway.model.message import State
from tongguan.gateway.model.outcome import Take, TakenLine
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock
from tongguan.gateway.system.storage import files

IRON, COAL = "2601111000", "2701110000"
TONNES = "070"
CHANGES = count(1)
UNITS = "code,zh,en\n035,千克,kilogram\n070,吨,tonne\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A gateway that knows a licence of 100 tonnes of iron ore, and one tonne of coal."""
    types = tmp_path / "types"
    write_types(types / "mofcom")
    (types / "mofcom" / "authority.toml").write_text('title={zh="某部",en="a ministry"}\naccount_code="mofcom_code"\n', "utf-8")
    (types / "tables").mkdir()
    (types / "tables" / "unit.csv").write_text(UNITS, "utf-8")
    made = open_workshop(tmp_path, monkeypatch, types=types)
    made.send(LICENCE, "declare", "lic", licence_body((IRON, TONNES, "100"), (COAL, TONNES, "1")), "sent")
    said(made, "lic", LICENCE, "30", numbers={"licence": NUMBER})
    made.turns(lambda: made.business(LICENCE, "lic") == "复审通过")
    yield made
    made.stop()
    made.mofcom.down()
    made.customs.down()


def said(shop: Workshop, reference: str, type_: str, code: str, **more: Any) -> None:
    shop.mofcom.issue(shop.mofcom.receipt(code=code, type=type_, message=shop.mofcom.wire_id(reference), **more))


def tell(shop: Workshop, reference: str, *codes: str) -> None:
    """The authority's receipts of a list, in this order."""
    words = {"E": "退单", "7": "审批通过", "D": "海关删除"}
    for code in codes:
        said(shop, reference, LIST, code)
    shop.turns(lambda: shop.business(LIST, reference) == words[max(codes, key="E7D".index)])


def declare(shop: Workshop, reference: str, *rows: str, licence: str = NUMBER) -> dict[str, Any]:
    body = list_body(*((IRON, TONNES, amount) for amount in rows), licence=licence)
    return shop.send(LIST, "declare", reference, body, "sent", "refused", "rejected")


def again(shop: Workshop, operation: str, reference: str, document: str, body: str = "") -> dict[str, Any]:
    """A further message of a list."""
    frame = f'xmlns="urn:tongguan:{LIST}:1" operation="{operation}" reference="{reference}" document="{document}"'
    return shop.play(shop.site.drop(f"<{LIST} {frame}>{body}</{LIST}>"), "sent", "refused", "accepted")


def taken(shop: Workshop) -> str:
    """What is held of the iron ore, once the licence's own file says the same."""

    def held() -> str:
        with shop.daemon.journal.search() as records:
            (licence,) = (d for d in records.list_documents([], offset=0, limit=99, order="created")[1] if d.type == LICENCE)
            used = records.licences_used([licence.id]).get(licence.id, {})
        return f"{used.get(f'{IRON} {TONNES}', 0) / 100_000:g}"

    def shown() -> str:
        lines = (shop.site.document(LICENCE, "lic") or {}).get("quantities") or ()
        return next((q["taken"] for q in lines if q["commodity"] == IRON), "")

    found: str = shop.turns(lambda: shown() == held() and held())
    return found


def test_what_fits_is_taken_to_the_last_digit_and_what_does_not_is_refused_with_what_is_left(shop: Workshop) -> None:
    assert declare(shop, "a", "59.99999")["state"] == "sent"
    refused = declare(shop, "b", "40", "0.00002")
    assert declare(shop, "c", "40", "0.00001")["state"] == "sent"

    assert taken(shop) == "100"
    assert refused["state"] == "refused"
    assert [(f["code"], f["path"], f["line"], f["label"], f["message"]) for f in refused["faults"]] == [
        (
            *("GW-F61", "/XX.list/DecList[2]/GQty", 1, "表体申报数量"),
            f"第 2 项：许可证 {NUMBER} 的商品 {IRON} 仅余 0.00001 吨，申报 0.00002",
        )
    ]
    assert shop.mofcom.posts("b") == []
    assert shop.daemon.journal.verify().broken is None


def test_hyphens_of_a_licence_number_do_not_count(shop: Workshop) -> None:
    assert declare(shop, "a", "101", licence="26-AA-000001")["state"] == "refused"


def test_a_row_that_the_licence_does_not_cover_is_told_in_both_languages(shop: Workshop) -> None:
    body = list_body((IRON, "035", "1"), ("9999999999", TONNES, "1"), (COAL, TONNES, "1.00001"))
    status = shop.send(LIST, "declare", "a", body)
    with shop.daemon.journal.read() as records:
        message = records.message(status["message_id"])
    assert message is not None

    assert [(f.code, f.zh, f.en) for f in message.faults] == [
        (
            "GW-F60",
            f"第 1 项：许可证 {NUMBER} 不含商品 {IRON}（单位 千克）",
            f"line 1: licence {NUMBER} does not cover {IRON} in the unit kilogram",
        ),
        (
            "GW-F60",
            f"第 2 项：许可证 {NUMBER} 不含商品 9999999999（单位 吨）",
            f"line 2: licence {NUMBER} does not cover 9999999999 in the unit tonne",
        ),
        (
            "GW-F61",
            f"第 3 项：许可证 {NUMBER} 的商品 {COAL} 仅余 1 吨，申报 1.00001",
            f"line 3: of {COAL} licence {NUMBER} has 1 tonne left, and 1.00001 is declared",
        ),
    ]


def test_a_licence_that_nobody_here_knows_is_for_customs_to_judge(shop: Workshop) -> None:
    assert declare(shop, "a", "1000", licence="26AA000009")["state"] == "sent"


def test_a_draft_takes_nothing(shop: Workshop) -> None:
    shop.send(LIST, "save", "a", list_body((IRON, TONNES, "70")))
    assert taken(shop) == "0"
    assert again(shop, "declare", "b", "a")["state"] == "sent"
    assert taken(shop) == "70"


def refused_by_customs(shop: Workshop) -> None:
    declare(shop, "a", "70")
    tell(shop, "a", "E")


def refused_at_the_door(shop: Workshop) -> None:
    shop.mofcom.says["a"] = ["refuse"]
    assert declare(shop, "a", "70")["state"] == "rejected"
    shop.turns(lambda: shop.business(LIST, "a") == "暂存")


def ordered(do: str) -> Callable[[Workshop], None]:
    def order(shop: Workshop) -> None:
        shop.mofcom.says["a"] = ["503"] * 99
        status = shop.send(LIST, "declare", "a", list_body((IRON, TONNES, "70")), "sealed")
        shop.daemon.journal.give_order("wang", "why", {"do": do, "ids": [status["message_id"]]})
        shop.turns(lambda: shop.business(LIST, "a") == "暂存")

    return order


def deleted_by_customs(shop: Workshop) -> None:
    declare(shop, "a", "70")
    tell(shop, "a", "7", "D")


def deleted_here(shop: Workshop) -> None:
    declare(shop, "a", "70")
    tell(shop, "a", "7")
    assert again(shop, "delete", "x", "a")["state"] == "accepted"


@pytest.mark.parametrize("end", [refused_by_customs, refused_at_the_door, ordered("give-up"), deleted_by_customs, deleted_here])
def test_a_list_that_comes_to_nothing_gives_back_what_it_took(shop: Workshop, end: Callable[[Workshop], None]) -> None:
    end(shop)

    assert taken(shop) == "0"
    assert declare(shop, "b", "100")["state"] == "sent"


def test_a_refused_list_that_was_mended_takes_what_it_wants_now(shop: Workshop) -> None:
    declare(shop, "a", "100")
    tell(shop, "a", "E")
    assert again(shop, "declare", "a2", "a", list_body((IRON, TONNES, "30")))["state"] == "sent"

    assert taken(shop) == "30"


@pytest.mark.parametrize("codes", [("E", "7"), ("7", "E"), ("7", "E", "7"), ("E", "E", "7")], ids="".join)
def test_in_whatever_order_receipts_come_an_approved_list_holds_what_it_took(shop: Workshop, codes: tuple[str, ...]) -> None:
    declare(shop, "a", "70")
    tell(shop, "a", *codes)

    assert taken(shop) == "70"


@pytest.mark.parametrize("codes", list(permutations("E7D")), ids="".join)
def test_a_deleted_list_holds_nothing_in_whatever_order_that_was_said(shop: Workshop, codes: tuple[str, ...]) -> None:
    declare(shop, "a", "70")
    tell(shop, "a", *codes)

    assert taken(shop) == "0"


def test_of_two_in_one_file_that_want_the_last_of_it_the_first_gets_it(shop: Workshop) -> None:
    namespace = f"urn:tongguan:{LIST}:1"
    items = (
        f'<{LIST} xmlns="{namespace}" operation="declare" reference="i{n}">{list_body((IRON, TONNES, "60"))}</{LIST}>'
        for n in range(2)
    )
    name = shop.site.drop(f'<Batch reference="all">{"".join(items)}</Batch>')
    status = shop.play(name, "sent")
    shop.turns(lambda: [item["state"] for item in shop.site.status(name)["items"]] == ["sent", "refused"])  # type: ignore[index]

    assert [fault["code"] for fault in shop.site.status(name)["items"][1]["faults"]] == ["GW-F61"]  # type: ignore[index]
    assert status["state"] == "sent"
    assert taken(shop) == "60"


def told_by_customs(shop: Workshop, *, used: str, approved: str = "100") -> None:
    """What customs says of the licence at this moment, as an answer to a question leaves it."""
    with shop.daemon.journal.read() as records:
        (licence,) = records.documents_of_number("demo", NUMBER)
        profile = shop.daemon.site.rules.profile(LICENCE)
        facts = {"licence": NUMBER, "commodity": IRON, "unit": TONNES, "approved": approved, "used": used}
        line = quantities.told(facts, as_of=clock.now_ms(), source="authority")
        told = with_others(profile, [line], records.used_of(licence.id))
    after = replace(licence, quantities=tuple(told), version=licence.version + 1)
    asked = submission(type=LICENCE, state=State.ACCEPTED, lane=None, due_at=None, document_id=licence.id)
    written(shop.daemon.journal, comes(asked, documents=(after,)))


def test_what_others_used_as_customs_told_is_not_there_to_be_taken(shop: Workshop) -> None:
    declare(shop, "a", "30")
    told_by_customs(shop, used="75")

    assert declare(shop, "b", "25.00001")["state"] == "refused"
    assert declare(shop, "c", "25")["state"] == "sent"
    tell(shop, "a", "E")
    assert declare(shop, "d", "30")["state"] == "sent"
    assert taken(shop) == "55"


def test_what_is_told_of_a_licence_meanwhile_is_asked_for_again_before_anything_is_taken(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list was decided on a version of the licence that is no more when it is written."""
    journal, real = shop.daemon.journal, shop.daemon.journal.finish
    told: list[str] = []

    def finish(chains: Any, **more: Any) -> Any:
        if not told and any(outcome.takes for chain in chains for outcome in chain):
            told.append("75")
            told_by_customs(shop, used="75")
        return real(chains, **more)

    monkeypatch.setattr(journal, "finish", finish)
    status = declare(shop, "a", "30")

    assert told
    assert [fault["code"] for fault in status["faults"]] == ["GW-F61"]
    assert taken(shop) == "0"


def change(shop: Workshop, document: str, *rows: tuple[str, str], kind: str = "1", key: str = "") -> tuple[str, dict[str, Any]]:
    """A declared change of a list, or its cancelling: its key, and its status."""
    table = "".join(f"<Change><Place>{place}</Place><New>{new}</New></Change>" for place, new in rows)
    reference = f"c{next(CHANGES)}"
    frame = f'xmlns="urn:tongguan:{CHANGE}:1" operation="declare" reference="{reference}" document="{key or reference}"'
    body = f"<Kind>{kind}</Kind><ListNo>{document}</ListNo>{table}"
    return reference, shop.play(shop.site.drop(f"<{CHANGE} {frame}>{body}</{CHANGE}>"), "sent", "refused", "sealed")


def answered(shop: Workshop, reference: str, code: str, key: str = "") -> None:
    """Customs agrees to a change, or does not."""
    said(shop, reference, CHANGE, code)
    shop.turns(lambda: shop.business(CHANGE, key or reference) == {"A1": "同意", "A2": "不同意"}[code])


def changed(shop: Workshop, document: str, *rows: tuple[str, str], kind: str = "1") -> None:
    """A change of a list, or its cancelling, that customs agrees to."""
    reference, status = change(shop, document, *rows, kind=kind)
    assert status["state"] == "sent", status["faults"]
    answered(shop, reference, "A1")


def amend(shop: Workshop, document: str, *rows: str, licence: str = NUMBER) -> tuple[str, dict[str, Any]]:
    """A declared amendment of a list: its reference, and its status."""
    reference = f"am{next(CHANGES)}"
    body = list_body(*((IRON, TONNES, amount) for amount in rows), licence=licence)
    return reference, again(shop, "amend", reference, document, body)


def test_a_change_that_customs_agrees_to_gives_back_what_is_less_and_takes_what_is_more(shop: Workshop) -> None:
    declare(shop, "a", "30", "40")
    tell(shop, "a", "7")
    changed(shop, "a", ("DecList[2]/GQty", "15.5"))
    assert taken(shop) == "45.5"

    changed(shop, "a", ("DecList[1]/GQty", "84.5"))
    assert taken(shop) == "100"
    assert declare(shop, "b", "0.00001")["state"] == "refused"


def approved(shop: Workshop, reference: str, *rows: str, licence: str = NUMBER) -> None:
    assert declare(shop, reference, *rows, licence=licence)["state"] == "sent"
    tell(shop, reference, "7")


def test_a_change_that_wants_more_than_is_left_is_refused_at_the_value_that_does(shop: Workshop) -> None:
    approved(shop, "a", "30", "10")
    approved(shop, "b", "50")
    _, status = change(shop, "a", ("DecList[2]/GQty", "15"), ("DecList[1]/GQty", "35.00001"))
    _, fits = change(shop, "a", ("DecList[2]/GQty", "15"), ("DecList[1]/GQty", "35"))

    assert [(f["code"], f["path"], f["line"], f["label"], f["message"]) for f in status["faults"]] == [
        (
            *("GW-F61", "/XX.change/Change[1]/New", 1, "表体申报数量"),
            f"第 2 项：许可证 {NUMBER} 的商品 {IRON} 仅余 14.99999 吨，申报 15",
        )
    ]
    assert fits["state"] == "sent"
    assert (shop.site.document(LIST, "a") or {})["body"]["DecList"][1]["GQty"] == "10"


def test_what_a_change_wants_more_is_kept_from_others_until_customs_answers(shop: Workshop) -> None:
    approved(shop, "a", "30")
    reference, _ = change(shop, "a", ("DecList[1]/GQty", "50"))
    assert taken(shop) == "50"
    assert declare(shop, "b", "50.00001")["state"] == "refused"
    assert declare(shop, "c", "50")["state"] == "sent"

    answered(shop, reference, "A1")
    assert taken(shop) == "100"
    assert shop.daemon.journal.verify().broken is None


def test_what_a_change_wants_less_is_given_back_only_when_customs_agrees(shop: Workshop) -> None:
    approved(shop, "a", "100")
    reference, _ = change(shop, "a", ("DecList[1]/GQty", "40"))
    assert taken(shop) == "100"
    assert declare(shop, "b", "0.00001")["state"] == "refused"

    answered(shop, reference, "A1")
    assert taken(shop) == "40"


def test_a_change_that_customs_does_not_agree_to_lets_go_what_it_kept(shop: Workshop) -> None:
    approved(shop, "a", "30")
    reference, _ = change(shop, "a", ("DecList[1]/GQty", "90"))
    answered(shop, reference, "A2")
    assert taken(shop) == "30"
    again_, status = change(shop, "a", ("DecList[1]/GQty", "100"), key=reference)
    assert (status["state"], taken(shop)) == ("sent", "100")

    answered(shop, again_, "A1", reference)
    assert taken(shop) == "100"


def test_a_change_that_is_given_up_lets_go_and_is_held_if_customs_agrees_all_the_same(shop: Workshop) -> None:
    approved(shop, "a", "30")
    reference, status = change(shop, "a", ("DecList[1]/GQty", "50"))
    shop.daemon.journal.give_order("wang", "why", {"do": "give-up", "ids": [status["message_id"]]})
    shop.turns(lambda: shop.business(CHANGE, reference) == "暂存")
    assert taken(shop) == "30"
    assert declare(shop, "b", "70")["state"] == "sent"

    answered(shop, reference, "A1")
    assert taken(shop) == "120", "what customs has agreed to is held whatever is left"
    assert declare(shop, "c", "0.00001")["state"] == "refused"


def test_a_change_to_another_licence_takes_of_that_at_once_and_gives_back_the_first_when_customs_agrees(shop: Workshop) -> None:
    approved(shop, "a", "60", licence="26AA000009")
    reference, _ = change(shop, "a", ("LicenseNo", NUMBER))
    assert taken(shop) == "60"
    assert declare(shop, "b", "40.00001")["state"] == "refused"
    answered(shop, reference, "A1")
    assert taken(shop) == "60"

    _, status = change(shop, "a", ("DecList[1]/CodeTS", "9999999999"))
    assert [(f["code"], f["path"]) for f in status["faults"]] == [("GW-F60", "/XX.change/Change")]


def test_a_change_of_what_is_above_a_licence_that_customs_has_lowered_may_make_it_less(shop: Workshop) -> None:
    approved(shop, "a", "60")
    told_by_customs(shop, used="60", approved="40")
    _, more = change(shop, "a", ("DecList[1]/GQty", "60.00001"))
    reference, less = change(shop, "a", ("DecList[1]/GQty", "50"))

    assert [f["code"] for f in more["faults"]] == ["GW-F61"]
    assert less["state"] == "sent"
    answered(shop, reference, "A1")
    assert taken(shop) == "50"


def test_of_two_changes_that_want_the_last_of_it_the_second_is_refused(shop: Workshop) -> None:
    """Both are decided on what was left before either of them."""
    approved(shop, "a", "30")
    approved(shop, "b", "30")
    both = [f"<Kind>1</Kind><ListNo>{of}</ListNo><Change><Place>DecList[1]/GQty</Place><New>60</New></Change>" for of in "ab"]
    items = (
        f'<{CHANGE} xmlns="urn:tongguan:{CHANGE}:1" operation="declare" reference="both{n}">{body}</{CHANGE}>'
        for n, body in enumerate(both)
    )
    name = shop.site.drop(f'<Batch reference="both">{"".join(items)}</Batch>')
    shop.turns(lambda: [i["state"] for i in (shop.site.status(name) or {"items": []})["items"]] == ["sent", "refused"])

    assert taken(shop) == "90"


def test_what_another_takes_while_a_change_is_decided_is_looked_at_again(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    approved(shop, "a", "30")
    journal, real = shop.daemon.journal, shop.daemon.journal.finish
    with journal.read() as records:
        (licence,) = records.documents_of_number("demo", NUMBER)
    other: list[str] = []

    def finish(chains: Any, **more: Any) -> Any:
        if not other and any(outcome.takes for chain in chains for outcome in chain):
            of = document(type=LIST, key="other", status="declared")
            other.append(of.id)
            line = TakenLine(licence.id, f"{IRON} {TONNES}", 6_000_000, 10_000_000)
            asked = submission(type=LIST, document_id=of.id, state=State.SENT, lane=None, due_at=None)
            written(journal, comes(asked, documents=(of,), takes=(Take(of.id, (line,)),)))
        return real(chains, **more)

    monkeypatch.setattr(journal, "finish", finish)
    _, status = change(shop, "a", ("DecList[1]/GQty", "50"))

    assert other
    assert [fault["code"] for fault in status["faults"]] == ["GW-F61"]
    assert taken(shop) == "90"


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_declared_changed_answered_and_given_up_what_is_held_is_what_was_agreed_or_asked_for(
    shop: Workshop, seed: int
) -> None:
    chance, lists, open_ = random.Random(seed), dict[str, int](), dict[str, tuple[str, dict[str, Any], int]]()

    def held() -> int:
        return sum(max(amount, open_[key][2] if key in open_ else 0) for key, amount in lists.items())

    for n in range(25):
        free, amount = [key for key in lists if key not in open_], chance.randint(1, 60)
        do = chance.choice(["declare", "change", "change", "A1", "A2", "give-up", "cancel"])
        if do == "declare" or not free:
            status = declare(shop, f"s{n}", str(amount))
            assert (status["state"] == "sent") == (held() + amount <= 100), n
            if status["state"] == "sent":
                tell(shop, f"s{n}", "7")
                lists[f"s{n}"] = amount
        elif do == "change":
            key = chance.choice(free)
            reference, status = change(shop, key, ("DecList[1]/GQty", str(amount)))
            assert (status["state"] == "sent") == (held() + max(0, amount - lists[key]) <= 100), n
            if status["state"] == "sent":
                open_[key] = reference, status, amount
        elif do == "cancel":
            key = chance.choice(free)
            changed(shop, key, kind="2")
            del lists[key]
        elif open_:
            key = chance.choice(list(open_))
            reference, status, amount = open_.pop(key)
            if do == "give-up":
                shop.daemon.journal.give_order("wang", "why", {"do": "give-up", "ids": [status["message_id"]]})
                shop.turns(lambda reference=reference: shop.business(CHANGE, reference) == "暂存")
            else:
                answered(shop, reference, do)
                lists[key] = amount if do == "A1" else lists[key]
        assert taken(shop) == f"{held():g}", n
        assert held() <= 100


def test_a_deleted_list_takes_nothing_by_a_change_that_customs_agrees_to_late(shop: Workshop) -> None:
    approved(shop, "a", "60", licence="26AA000009")
    reference, _ = change(shop, "a", ("LicenseNo", NUMBER))
    tell(shop, "a", "D")
    assert taken(shop) == "60"

    answered(shop, reference, "A1")
    assert taken(shop) == "0"


def test_an_amendment_keeps_the_more_that_it_wants_and_gives_back_the_less_when_customs_agrees(shop: Workshop) -> None:
    approved(shop, "a", "30")
    assert [f["code"] for f in amend(shop, "a", "100.00001")[1]["faults"]] == ["GW-F61"]
    more, status = amend(shop, "a", "100")
    assert (status["state"], taken(shop)) == ("sent", "100")
    said(shop, more, LIST, "B2")
    shop.turns(lambda: shop.business(LIST, "a") == "审批通过")
    assert taken(shop) == "30"

    less, _ = amend(shop, "a", "20")
    assert taken(shop) == "30"
    said(shop, less, LIST, "B1")
    shop.turns(lambda: shop.business(LIST, "a") == "审批通过")
    assert taken(shop) == "20"
    assert shop.daemon.journal.verify().broken is None


def test_an_amendment_that_is_given_up_leaves_what_the_approved_content_holds(shop: Workshop) -> None:
    approved(shop, "a", "30")
    _, status = amend(shop, "a", "90")
    shop.daemon.journal.give_order("wang", "why", {"do": "give-up", "ids": [status["message_id"]]})
    shop.turns(lambda: shop.business(LIST, "a") == "审批通过")

    assert taken(shop) == "30"


def test_a_list_of_which_customs_agrees_that_it_cites_another_licence_gives_all_back(shop: Workshop) -> None:
    declare(shop, "a", "30")
    tell(shop, "a", "7")
    changed(shop, "a", ("LicenseNo", "26AA000009"))

    assert taken(shop) == "0"


def test_a_list_that_is_cancelled_gives_all_back(shop: Workshop) -> None:
    declare(shop, "a", "30")
    tell(shop, "a", "7")
    changed(shop, "a", kind="2")

    assert shop.business(LIST, "a") == "已撤销"
    assert taken(shop) == "0"


class Killed(BaseException):
    """The process ends here."""


def test_a_crash_at_any_commit_takes_once_or_not_at_all(shop: Workshop) -> None:
    """Declared, then refused by customs: after each start what the licence says is what the list holds."""
    for n in count(1):
        reference = f"k{n}"
        body = list_body((IRON, TONNES, "70"))
        shop.site.drop(f'<{LIST} xmlns="urn:tongguan:{LIST}:1" operation="declare" reference="{reference}">{body}</{LIST}>')
        told = list[str]()

        def play(reference: str = reference, told: list[str] = told) -> None:
            shop.turns(lambda: shop.mofcom.posts(reference))
            if not told:
                assert taken(shop) == "70", reference
                told.append("E")
                said(shop, reference, LIST, "E")
            shop.turns(lambda: shop.business(LIST, reference) == "退单")

        passed = ended_at(shop, n, play)
        play()
        assert taken(shop) == "0", n
        if not passed:
            break
    assert n > 4
    assert shop.daemon.journal.verify().broken is None


@pytest.mark.long
@pytest.mark.parametrize(("code", "words", "left"), [("A1", "同意", "90"), ("A2", "不同意", "10")])
def test_a_crash_at_any_commit_of_a_change_keeps_what_it_wants_once_or_not_at_all(
    shop: Workshop, code: str, words: str, left: str
) -> None:
    for n in count(1):
        key, reference = f"l{n}", f"x{n}"
        approved(shop, key, "10")
        row = "<Change><Place>DecList[1]/GQty</Place><New>90</New></Change>"
        body = f"<Kind>1</Kind><ListNo>{key}</ListNo>{row}"
        shop.site.drop(f'<{CHANGE} xmlns="urn:tongguan:{CHANGE}:1" operation="declare" reference="{reference}">{body}</{CHANGE}>')
        told = list[str]()

        def play(reference: str = reference, told: list[str] = told) -> None:
            shop.turns(lambda: shop.mofcom.posts(reference))
            if not told:
                assert taken(shop) == "90", reference
                told.append(code)
                said(shop, reference, CHANGE, code)
            shop.turns(lambda: shop.business(CHANGE, reference) == words)

        passed = ended_at(shop, n, play)
        play()
        assert taken(shop) == left, n
        changed(shop, key, kind="2")
        assert taken(shop) == "0", n
        if not passed:
            break
    assert n > 4
    assert shop.daemon.journal.verify().broken is None


def ended_at(shop: Workshop, n: int, play: Callable[[], None]) -> bool:
    """Play, and end the gateway at the nth commit on the way; False when there were not so many."""
    daemon, passed = shop.daemon, 0

    def point(place: str) -> None:
        nonlocal passed
        passed += place in ("commit", "committed")
        if passed == n:
            raise Killed(place)

    files.crash_point = point
    try:
        play()
    except Killed:
        abandon(daemon)
        shop.daemons.clear()
    finally:
        files.crash_point = lambda place: None
    return passed >= n
