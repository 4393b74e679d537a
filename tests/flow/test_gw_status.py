"""Status files: whole at every moment, while they are rewritten under load; they say what the manual promises."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import bodies as b
import pytest
from lxml import etree
from patience import here
from sites import Site, wait_until

from tongguan.gateway.system import clock, times

pytestmark = pytest.mark.requirement("GW-07")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+08:00")


class Reader:
    """Parses every file of a mailbox again and again; what was there once must never be gone, half or empty, and every file
    that it names is in InBox; what the file of a message that came meanwhile says of its document, the document's file says too (of an
    earlier one the document may be deleted, and its key another's).
    """

    def __init__(self, site: Site) -> None:
        self._site, self._began = site, times.show(clock.now_ms()) or ""
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(n,)) for n in range(2)]
        self.wrong: list[str] = []
        self.reads = 0
        self._seen: set[str] = set()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _read(self, turn: int) -> None:
        status = self._site.mailbox / "Status"
        while not self._over.is_set():
            names = {str(status / name) for name in ("index.json", "heartbeat.json")}
            for folder in (status, status / "by-id", status / "documents"):
                names.update(entry.path for entry in os.scandir(folder) if entry.is_file() and not entry.name.startswith("."))
            newest = sorted(names | self._seen, key=lambda path: -_changed(path))[: 40 + 20 * turn]
            for path in newest:
                self._one(path)
            self._seen |= names

    def _one(self, path: str) -> None:
        try:
            page = json.loads(Path(path).read_bytes())
            self.reads += 1
            for line in (*page.get("receipts", ()), *page.get("answers", ())):
                if line["file"] is not None and not (self._site.mailbox / "InBox" / line["file"]).exists():
                    self.wrong.append(f"{path} names {line['file']}, which is not in InBox")
            if page.get("business_status") and page.get("final") and page["received_at"] >= self._began:
                self._beside(path, page)
        except FileNotFoundError:
            self.wrong.append(f"{path} was gone")
        except ValueError as half:
            self.wrong.append(f"{path}: {half}")

    def _beside(self, path: str, page: dict[str, Any]) -> None:
        """The document's file, opened after the message's, is at least as new."""
        document = self._site.document(page["type"], page["document"]) or {"messages": [], "numbers": {}}
        states = [line["state"] for line in document["messages"] if line["message_id"] == page["message_id"]]
        if states != [page["state"]] or not page["numbers"].items() <= document["numbers"].items():
            self.wrong.append(
                f"{path} says {page['state']} and {page['numbers']}, its document {states} and {document['numbers']}"
            )


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0


def test_every_file_is_whole_and_names_only_what_is_there_while_all_of_them_are_rewritten(site: Site) -> None:
    index = site.mailbox / "Status" / "index.json"
    wait_until(index.exists, "the index")
    with Reader(site) as reader:
        names = []
        for _ in range(60):
            names.append(site.drop(b.xml(b.application("declare"))))
            time.sleep(0.02)
        for name in names:
            assert site.wait(name)["state"] == "accepted"
        answers = [p for p in site.inbox("Receipt_") if p.stat().st_size]
    assert reader.reads > len(names)
    assert reader.wrong == []
    for path in answers:
        etree.parse(str(path))


def test_the_status_of_a_message_says_what_the_manual_promises(site: Site) -> None:
    root = b.application("declare")
    name = site.drop(b.xml(root))
    status = site.wait(name)

    by_id = json.loads((site.mailbox / "Status" / "by-id" / f"{status['message_id']}.json").read_bytes())
    assert by_id["message_id"] == status["message_id"]
    wanted = {
        "schema": 1,
        "account": "demo",
        "environment": "test",
        "file": name,
        "reference": root.get("reference"),
        "document": root.get("reference"),
        "replaces": None,
        "type": b.APPLICATION,
        "operation": "declare",
        "state": "accepted",
        "final": True,
        "waiting_for": None,
        "faults": [],
        "items": [],
    }
    assert wanted == {key: status[key] for key in wanted}
    assert set(status["business_status"]) == {"code", "text"}
    assert {"application", "licence"} <= set(status["numbers"])
    for key in ("received_at", "updated_at"):
        assert MOMENT.fullmatch(status[key])
    for receipt in status["receipts"]:
        assert {"id", "code", "text", "file", "issued_at"} <= set(receipt)


def test_every_answer_is_named_in_the_status_and_in_the_index_with_what_the_enterprise_calls_it(site: Site) -> None:
    good, bad = b.application("declare"), b.application("declare", goods_=[])
    question = b.query(b.APPLICATION, "list")
    told = {site.drop(b.xml(root)): root.get("reference") for root in (good, bad, question)}

    def index() -> dict[str, Any]:
        lines = json.loads((site.mailbox / "Status" / "index.json").read_bytes())["answers"]
        return {line["file"]: line for line in lines}

    for name, status in zip(told, [site.wait(name) for name in told], strict=True):
        stem = name.rsplit(".", 1)[0]
        answered = [line["file"] for line in status["answers"]]
        assert {p.name for p in (site.mailbox / "InBox").iterdir() if f"_{stem}_" in p.name} <= set(answered) != set(), status
        assert {r["file"] for r in status["receipts"]} <= set(answered)
        listed = wait_until(lambda answered=answered: (i := index()) and set(answered) <= set(i) and i, "the index to list them")
        for file in answered:
            line = listed[file]
            assert (line["message_id"], line["reference"]) == (status["message_id"], told[name])
            assert line["document"] == status["document"]


def test_a_file_for_each_document_tells_its_whole_life(site: Site) -> None:
    status = b.done(site, b.application("declare"))
    document = site.wait_business(b.APPLICATION, status["document"], "已打印或生成电子许可证")

    assert [m["message_id"] for m in document["messages"]] == [status["message_id"]]
    assert document["environment"] == "test"
    assert document["numbers"] == site.wait(status["file"])["numbers"]
    issued = [r["issued_at"] for r in document["receipts"]]
    assert issued == sorted(issued)
    assert {"type", "document", "numbers", "business_status", "versions", "messages", "deadlines", "quantities"} <= set(document)


def page(site: Site, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((site.mailbox / "Status" / name).read_bytes())
    return found


def test_the_index_lists_what_is_open_and_what_was_answered(site: Site) -> None:
    name = site.drop(b.xml(b.application("declare", reference=b.fresh("open") + "!stay=10")))
    status = site.wait(name, "sent")

    def listed() -> dict[str, Any] | None:
        return next((m for m in page(site, "index.json")["open"] if m["message_id"] == status["message_id"]), None)

    found = wait_until(listed, "the message among the open ones")
    assert (found["state"], found["waiting_for"]) == ("sent", "authority")
    technical = site.inbox(f"Successed_{name[:-4]}_")[0].name
    wait_until(lambda: any(a["file"] == technical for a in page(site, "index.json")["answers"]), "the answer in the index")
    assert page(site, "index.json")["environment"] == "test"
    assert page(site, "index.json")["paused"] is None


def test_the_heartbeat_beats(site: Site) -> None:
    first = wait_until(
        lambda: (site.mailbox / "Status" / "heartbeat.json").exists() and page(site, "heartbeat.json"), "a heartbeat"
    )
    later = wait_until(lambda: (p := page(site, "heartbeat.json"))["at"] != first["at"] and p, "the next one")

    assert datetime.fromisoformat(later["at"]) - datetime.fromisoformat(first["at"]) < timedelta(seconds=here(15))
    assert {"schema", "at", "version", "environment", "ok", "problems", "cards", "routes", "deadlines"} <= set(later)
    assert later["cards"]["demo-mofcom"]["open"] is True
    assert later["routes"]["customs"]["open"] is True


def test_the_enterprise_may_empty_its_folders(site: Site) -> None:
    """Files that were taken away do not come back, and later ones are written all the same."""
    name = site.drop(b.xml(b.application("save")))
    status = site.wait(name)
    answer = wait_until(lambda: site.inbox(f"Successed_{name[:-4]}_"), "the answer")[0]
    time.sleep(0.3)
    answer.unlink()
    (site.mailbox / "Status" / f"{name}.status.json").unlink()
    again = site.drop(b.xml(b.application("save", document=status["document"], Remark="再存")))
    assert site.wait(again)["state"] == "accepted"

    assert not answer.exists()
