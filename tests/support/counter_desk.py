"""An authority in the test's own process: messages are taken at its door, and what is due is played as fast as the test wants."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lxml import etree

from tongguan.simulators.books.store import Store
from tongguan.simulators.messages.faults import markers
from tongguan.simulators.messages.receive import take
from tongguan.simulators.script.player import play
from tongguan.simulators.serve import open_office
from tongguan.simulators.server.office import RECEIPT, Office
from tongguan.simulators.setup import SampleEnterprise, make_simulators

ACCOUNT, OTHER = "2102960001", "2102960099"
FOREVER = 4e11  #: seconds
Q = f"{{{RECEIPT}}}"


def write_types(root: Path, types: dict[str, dict[str, str]]) -> Path:
    """Write the folders of customs' types: name -> file -> text."""
    for name, files in types.items():
        folder = root / "customs" / name
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / file).write_text(text, "utf-8")
    (root / "mofcom").mkdir(exist_ok=True)
    return root


@cache
def _simulators() -> Path:
    """A home of two enterprises, made once a process: keys take their time."""
    home = Path(tempfile.mkdtemp(prefix="tongguan-desk-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    make_simulators(
        home,
        [
            SampleEnterprise("demo", "91210200MA0EXAMPLC", "2100MA0EXAMPL", ACCOUNT),
            SampleEnterprise("other", "91210200MA0EXAMPLD", "2100MA0OTHERX", OTHER),
        ],
    )
    return home


@dataclass
class CounterDesk:
    """Customs of a home, and what it has said."""

    home: Path
    root: Path
    account: str = ACCOUNT
    fast: bool = True
    office: Office = field(init=False)
    cursor: int = 0

    def __post_init__(self) -> None:
        shutil.copytree(_simulators(), self.home)
        self.open()

    def open(self) -> None:
        """Begin, or begin again with the same books."""
        self.office = open_office(self.home, "customs", fast=self.fast, profiles=self.root)

    def restart(self) -> None:
        self.office.store.close()
        self.open()

    def settings(self, text: str) -> None:
        """Add records to customs' own books."""
        path = self.home / "simulators" / "simulators.toml"
        path.write_text(path.read_text("utf-8") + text, "utf-8")
        self.restart()

    def at(self, day: str, *, speed: int = 1) -> None:
        """Set the business clock to noon of a day; from there it runs that fast."""
        business = int(time.mktime(time.strptime(day, "%Y-%m-%d"))) * 1000 + 12 * 3_600_000
        line = {"business": business, "machine": 0, "steady": 0, "boot": "", "speed": speed}
        now = {"machine": round(time.time() * 1000), "boot": "another start"}
        (self.home / "clock.json").write_text(json.dumps(line | now))
        self.office.clock.__init__(self.home)  # type: ignore[misc]

    def send(self, type_: str, operation: str, inside: str, *, markers_: str = "", account: str = "", message: str = ""):
        """Hand in a message; gives the HTTP status and the technical receipt."""
        message = message or str(uuid.uuid4())
        words = {"message_id": message, "message_type": type_, "operation": operation, "sender_id": account or self.account}
        body = package(words, type_, f'operation="{operation}"', inside)
        answered = take(self.office, f"{message}-1", body, markers(markers_))
        return answered.http, etree.fromstring(answered.receipt)

    def refused(self, *words: str, **more: str) -> list[str]:
        """Hand in a message that is not taken; gives the codes of its faults."""
        http, receipt = self.send(*words, **more)
        assert http == 400, etree.tostring(receipt)
        return codes_of(receipt)

    def play(self, *, account: str = "") -> list[etree._Element]:
        """Play all that is to come, and give the receipts that were issued."""
        store: Store = self.office.store
        while due := store.due_courses(FOREVER, 1):
            play(self.office, due[0])
        return self.news(account)

    def step(self) -> list[etree._Element]:
        """Play what comes next."""
        play(self.office, self.office.store.due_courses(FOREVER, 1)[0])
        return self.news()

    def news(self, account: str = "") -> list[etree._Element]:
        found = self.office.store.feed(account or self.account, self.cursor, 1000)
        self.cursor = found[-1][0] if found else self.cursor
        return [etree.fromstring(body) for _, body in found]

    def declared(self, type_: str, inside: str, operation: str = "declare", **more: str) -> list[etree._Element]:
        """Hand in a message that is taken, and play it to its end."""
        http, receipt = self.send(type_, operation, inside, **more)
        assert http == 202, etree.tostring(receipt)
        return self.play()


def package(words: dict[str, str], type_: str, attributes: str, inside: str) -> bytes:
    """Write a message without a signature."""
    always = {"version": "1.0", "receiver_id": "customs", "send_time": "2026-11-20T18:00:00.000+08:00", "environment": "test"}
    head = "".join(f"<{name}>{value}</{name}>" for name, value in (always | words).items())
    return (
        f'<Package xmlns="urn:tongguan:package:1"><EnvelopInfo>{head}</EnvelopInfo><DataInfo><BussinessData>'
        f'<{type_} xmlns="urn:tongguan:{type_}:1" {attributes}>{inside}</{type_}></BussinessData></DataInfo></Package>'
    ).encode()


def codes_of(receipt: etree._Element) -> list[str]:
    return [one.get("code", "") for one in receipt.iterfind(f"{Q}Faults/{Q}Fault")]


def faults(receipt: etree._Element) -> list[tuple[str, str, str]]:
    return [(one.get("code", ""), one.get("path", ""), one.text or "") for one in receipt.iterfind(f"{Q}Faults/{Q}Fault")]


def codes(receipts: list[etree._Element]) -> list[str]:
    return [one.get("code", "") for one in receipts]


def number(receipt: etree._Element, name: str) -> str | None:
    return receipt.findtext(f"{Q}Numbers/{Q}Number[@name='{name}']")


def content(receipt: etree._Element, name: str) -> str | None:
    return receipt.findtext(f"{Q}Content/{Q}{name}")
