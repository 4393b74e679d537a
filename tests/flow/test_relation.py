"""归并关系查询: which line of which list is in which line of which declaration, asked of either."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import bodies as b
import pytest
from agreement_desk import Office, open_office
from filings import DECLARATION, LIST
from journals import comes, document, submission, written
from test_cd_change import approved_list, text
from test_cd_merge import CLEARED, customs, merged, unified

from tongguan.gateway.model.message import State
from tongguan.gateway.model.outcome import RelatedPart, Relation
from tongguan.gateway.model.record import replace

pytestmark = pytest.mark.requirement("CD-14")
__all__ = ["customs"]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Two lists that became the declaration Z1, which customs refused, then D2; and a third of D2."""
    with open_office(tmp_path_factory.mktemp("relation"), customs=True) as office:
        journal, account = office.shop.daemon.journal, office.shop.daemon.settings.account[0].name
        done = {"account": account, "state": State.ACCEPTED, "lane": None, "due_at": None}
        for key in ("L1", "L2", "L3"):
            listed = document(key, account=account, type=LIST, status="merged", numbers={"unified": f"JQ{key}"})
            written(journal, comes(submission(**done), documents=(listed,)))
        wholes = (("Z1", {"unified": "CD1"}), ("D2", {"unified": "CD2", "seq": "I20260000000000002"}))
        for made_at, (key, numbers) in enumerate(wholes, 1):
            made = replace(document(key, account=account, type=DECLARATION, numbers=numbers), created_at=made_at)
            written(journal, comes(submission(**done), documents=(made,)))
        first = (RelatedPart("L1", b"\1\2\1"), RelatedPart("L2", b"\2"))
        written(journal, comes(submission(**done), relations=(Relation("Z1", first),)))
        second = (*first, RelatedPart("L3", b"\3\1"))
        written(journal, comes(submission(**done), relations=(Relation("Z1", alive=False), Relation("D2", second))))
        yield office


def asked(office: Office, type_: str, key: str, **more: Any) -> dict[str, Any]:
    """The answer to the question."""
    root = b.message(type_, "query", like="ok-query-list.xml", document=key, reference=b.fresh("q"))
    for child in list(root):
        root.remove(child)
    for name, value in {"kind": "relation", "format": "json", **more}.items():
        root.set(name, value)
    name = office.shop.site.drop(b.xml(root))
    status = office.shop.play(name)
    assert status["state"] == "accepted", status["faults"]
    office.shop.turns(lambda: office.shop.site.inbox(f"Result_{name.rsplit('.', 1)[0]}_"))
    found: dict[str, Any] = json.loads(office.shop.site.result(name).read_bytes())
    return found


def rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    columns = ("list", "list_line", "declaration", "declaration_line", "state")
    return [tuple(row[name] for name in columns) for row in found["rows"]]


D2 = "I20260000000000002"


def test_of_a_list_it_is_told_where_its_lines_went_each_time(office: Office) -> None:
    assert rows(asked(office, LIST, "L1")) == [
        ("JQL1", "1", "CD1", "1", "已失效"),
        ("JQL1", "2", "CD1", "2", "已失效"),
        ("JQL1", "3", "CD1", "1", "已失效"),
        ("JQL1", "1", D2, "1", "有效"),
        ("JQL1", "2", D2, "2", "有效"),
        ("JQL1", "3", D2, "1", "有效"),
    ]


def test_of_a_declaration_it_is_told_what_its_lines_are_made_of(office: Office) -> None:
    assert rows(asked(office, DECLARATION, "D2")) == [
        ("JQL1", "1", D2, "1", "有效"),
        ("JQL1", "2", D2, "2", "有效"),
        ("JQL1", "3", D2, "1", "有效"),
        ("JQL2", "1", D2, "2", "有效"),
        ("JQL3", "1", D2, "3", "有效"),
        ("JQL3", "2", D2, "1", "有效"),
    ]


def test_of_a_declaration_that_came_to_nothing_it_stays_marked(office: Office) -> None:
    assert {row[-1] for row in rows(asked(office, DECLARATION, "Z1"))} == {"已失效"}


def test_it_comes_page_by_page(office: Office) -> None:
    found = asked(office, DECLARATION, "D2", page="2", size="4")

    assert (found["total"], [row[:2] for row in rows(found)]) == (6, [("JQL3", "1"), ("JQL3", "2")])


def test_of_a_list_that_was_never_merged_there_is_nothing_to_tell(office: Office) -> None:
    journal, account = office.shop.daemon.journal, office.shop.daemon.settings.account[0].name
    alone = document("L9", account=account, type=LIST, status="cleared")
    written(journal, comes(submission(account=account, state=State.ACCEPTED, lane=None, due_at=None), documents=(alone,)))

    assert rows(asked(office, LIST, "L9")) == []


def test_a_merge_tells_it_and_a_refusal_marks_it(customs: Office) -> None:
    key = approved_list(customs, *CLEARED)
    other = approved_list(customs, *CLEARED)
    merge = merged(customs)
    draft = f"{merge['document']}-1"
    named = customs.document(DECLARATION, draft)["numbers"]["unified"]
    lines = range(1, 1 + len(customs.document(LIST, key)["body"]["DecList"]))

    assert rows(asked(customs, LIST, key)) == [(unified(customs, key), str(n), named, str(n), "有效") for n in lines]
    assert rows(asked(customs, DECLARATION, draft)) == [
        (unified(customs, each), str(n), named, str(n), "有效") for each in (key, other) for n in lines
    ]

    declared = b.message(DECLARATION, "declare", document=draft, reference=b.fresh("dec"))
    status = customs.shop.play(customs.shop.site.drop(b.xml(declared)), "sent", "refused")
    assert status["state"] == "sent", status["faults"]
    refusal = customs.authority.unsigned(code="E", type=DECLARATION, message=f"{status['message_id']}-1")
    customs.issue(customs.authority.sealer.seal(refusal))
    customs.shop.turns(lambda: text(customs, LIST, key) == "已结关")
    merged(customs)

    found = rows(asked(customs, LIST, key))
    assert [row[-1] for row in found] == ["已失效" for _ in lines] + ["有效" for _ in lines]
    assert {row[2] for row in found if row[-1] == "有效"}.isdisjoint({row[2] for row in found if row[-1] == "已失效"})
