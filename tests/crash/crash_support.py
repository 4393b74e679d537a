"""What the crash tests share: authorities that run on, homes that are thrown away, and two accounts, one with a slow card."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lxml import etree
from sites import Site

import tongguan.gateway
from tongguan.gateway.home.home import CODES
from tongguan.gateway.journal.database import statements
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.writing.writer import Group
from tongguan.gateway.system import clock
from tongguan.signer.issue import Holder, Validity, make_authority, make_software_card

PROFILES = Path(tongguan.gateway.__path__[0]) / "profiles"
APPLICATION = "mofcom/NA.application"
INSPECTION = "customs/EW.declaration"
KEY, ISSUED = "licence", "已打印或生成电子许可证"  #: a document that every home has, and its status
_blocks = itertools.count(1)
_NUMBER = "8900000000990"
_CODES = {"uscc": "91210200MA0SECOND8", "mofcom_code": "2100MA0SECOND", "customs_code": "2102960002"}


def chosen_seed() -> int:
    """Chance's seed in this run, another one each time; told where a test fails, and set by `TONGGUAN_SEED` to have it again."""
    seed = int(os.environ.get("TONGGUAN_SEED", "0")) or random.randrange(1, 10**9)
    print(f"TONGGUAN_SEED={seed}")
    return seed


@dataclass
class Authorities:
    """The running simulators and a home that is copied for each try."""

    site: Site

    def home(self, folder: Path) -> Site:
        """A new home for the same cards and authorities; its numbers begin where no other home's are."""
        shutil.copytree(self.site.home, folder, ignore=shutil.ignore_patterns("simulators", "*.log"), dirs_exist_ok=True)
        journal = Journal.open("sqlite:///tongguan.db", folder)
        block = next(_blocks) * 1_000_000
        given = [{"name": name, "next": block} for name in journal._serials.known]

        def skip(group: Group) -> None:
            for row in given:
                statements.SKIP_TO.write(group.connection, row)
            group.left += digests.records_of("serial", given)

        journal._writer.submit(skip)
        codes = [(authority, code) for authority in CODES for code in (CODES[authority], _CODES[f"{authority}_code"])]
        journal.set_markers({f"cursor:{authority}:{code}": str(self._issued(authority)) for authority, code in codes})
        journal.close()
        return Site(folder)

    def _issued(self, authority: str) -> int:
        """The cursor behind all receipts issued so far: other homes' receipts are nobody's business here."""
        with closing(sqlite3.connect(f"file:{self.site.home}/simulators/{authority}.db?mode=ro", uri=True)) as store:
            return int(store.execute("SELECT COALESCE(MAX(cursor), 0) FROM receipt").fetchone()[0])

    def declared(self) -> dict[str, list[int]]:
        """The rounds that MOFCOM has of each document, by the reference that it was declared under."""
        with closing(sqlite3.connect(f"file:{self.site.home}/simulators/mofcom.db?mode=ro", uri=True)) as store:
            rows = store.execute("SELECT facts, round FROM document").fetchall()
        found: dict[str, list[int]] = {}
        for facts, round_ in rows:
            found.setdefault(json.loads(facts).get("reference", ""), []).append(round_)
        return found


def of_second(site: Site) -> Site:
    """The same home as its second account sees it."""
    return Site(site.home, site.processes, account="second")


def add_second_account(home: Path, *, delay: str) -> None:
    """Another enterprise, whose card takes so long for each signature; the simulators of this home know it as well."""
    validity = Validity(clock.now() - timedelta(days=1))
    holder = Holder("第二示例有限公司", _NUMBER, tuple(_CODES.values()))
    card = make_software_card(make_authority("发卡机构", validity), holder, validity=validity)
    (home / "cards" / "second.key").write_bytes(card.key)
    for folder in (home / "cards", home / "simulators" / "cards"):
        (folder / "second.pem").write_bytes(card.certificates)
    codes = "".join(f'{name} = "{code}"\n' for name, code in _CODES.items())
    with (home / "tongguan.toml").open("a") as settings:
        settings.write(
            f'\n[[account]]\nname = "second"\ntitle = "第二示例有限公司"\n{codes}mailbox = "mailboxes/second"\n'
            '\n[[account.card]]\nname = "second-mofcom"\nauthority = "mofcom"\nkind = "software"\nkey = "cards/second.key"\n'
            f'certificate = "cards/second.pem"\nbound = "{_NUMBER}"\ndelay = "{delay}"\n'
        )
    with (home / "simulators" / "simulators.toml").open("a") as settings:
        settings.write(
            f'\n[[enterprise]]\nname = "second"\n{codes}'
            f'\n[[enterprise.card]]\nauthority = "mofcom"\nnumber = "{_NUMBER}"\ncertificate = "cards/second.pem"\n'
        )


def example(folder: str, name: str, reference: str, changes: dict[str, str] | None = None) -> bytes:
    """An installed example under another reference, with some elements set."""
    root = etree.fromstring((PROFILES / folder / "examples" / name).read_bytes())
    root.set("reference", reference)
    for element, value in (changes or {}).items():
        found = root.find(f"{{*}}{element}")
        assert found is not None
        found.text = value
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
