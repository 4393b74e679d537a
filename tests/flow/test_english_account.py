"""What an account that reads English is told of collective declaration has no Chinese in it but what stands in documents and receipts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from agreement_desk import Office, open_office
from filings import LIST, MERGE
from test_cd_change import approved_list, file_goods

pytestmark = pytest.mark.requirement("GW-03")
CHINESE = re.compile(r"[\u4e00-\u9fff]+")


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with open_office(tmp_path_factory.mktemp("english"), customs=True) as office:
        path: Path = office.shop.home / "tongguan.toml"
        path.write_text(path.read_text("utf-8").replace('language = "zh"', 'language = "en"', 1), "utf-8")
        file_goods(office)
        yield office


def refused(office: Office, type_: str, operation: str, body: dict[str, Any], **frame: str) -> list[dict[str, Any]]:
    content = {"type": type_, "operation": operation, "reference": b.fresh("en"), "body": body, **frame}
    status = office.shop.play(office.shop.site.drop(json.dumps(content), suffix=".json"))
    assert status["state"] == "refused"
    faults: list[dict[str, Any]] = status["faults"]
    return faults


@pytest.mark.parametrize(
    ("type_", "operation", "body", "code", "label", "says"),
    [
        (MERGE, "merge", {"AgentCode": "9999999999"}, "GW-F70", "declaring unit: code", "9999999999"),
        (MERGE, "merge", {"NoAgent": "1", "Month": "2098-01"}, "GW-F74", "month", "2098-01"),
        (
            MERGE,
            "merge",
            {"NoAgent": "1", "DDateFrom": "20980101", "DDateTo": "2098-01-31"},
            "GW-F74",
            "declared from",
            "2098-01-01",
        ),
        (MERGE, "merge", {"NoAgent": "1", "Lists": [{"ListNo": "L-none"}]}, "GW-F71", "unified no. of the list", "L-none"),
        (MERGE, "merge", {"NoAgent": "1", "AgentName": "x"}, "GW-C19", "declaring unit", "it is (empty), the message says x"),
        ("GW.message", "stop", {"Reference": "R-none"}, "GW-F12", "reference", "R-none"),
        ("GW.message", "stop", {"MessageId": "0" * 8 + "-0000-0000-0000-" + "0" * 12}, "GW-F12", "message id", "0000-0000"),
    ],
)
def test_faults_have_english_labels_and_words(
    english: Office, type_: str, operation: str, body: dict[str, Any], code: str, label: str, says: str
) -> None:
    head = {"IEFlag": "I"} if type_ == MERGE else {}

    (fault,) = refused(english, type_, operation, head | body)

    assert (fault["code"], fault["label"]) == (code, label)
    assert says in fault["message"] and not CHINESE.search(fault["message"])
    assert type_ != "GW.message" or fault["path"] == f"/body/{next(iter(body))}", "the fault is where the message says it"


def test_of_forms_and_copies_as_well(english: Office) -> None:
    key = approved_list(english)

    (form,) = refused(english, LIST, "print", {"Form": "none"}, document=key)
    (copies,) = refused(english, LIST, "copy", {"Copies": "0"}, document=key)

    assert (form["code"], form["label"]) == ("GW-F45", "form of the print")
    assert (copies["code"], copies["label"]) == ("GW-F15", "number of copies")


def test_receipts_of_every_kind_are_told_in_english(english: Office) -> None:
    key = approved_list(english, "9")
    receipts = english.document(LIST, key)["receipts"]

    assert [line["text"] for line in receipts][1:] == ["approved by customs", "entrusted to a carrier"]
    assert receipts[0]["text"].startswith("taken by the authority: ")
