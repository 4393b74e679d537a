"""A gateway with made-up document types, played step by step in the test's own process, against authorities in the test's hands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zstandard
from endpoint import Endpoint, site_with_endpoints
from rounds import turn
from sites import FINAL, Site, journal_moves, wait_until
from sqlalchemy import create_engine, text

from tongguan.gateway.daemon import assembly
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Profiles

HEADER = (
    "path,name,label,label_en,type,length,precision,least,most,pattern,occurs,code_table,unit,required_at,changeable_by,"
    "fill,find,line,key,sum,sign_order,source\n"
)
QUICK = '\n[schedule]\nleast_wait = "50ms"\nmost_wait = "1s"\nprobe = "100ms"\nreceipts = "0s"\n'
REGISTRATION = """
title = { zh = "备案", en = "registration" }
system = "XX"
own_number = "own"
[numbers.own]
label = { zh = "备案号", en = "no." }
given = "XX{yy}{serial:06d}"
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[status.registered]
code = "2"
zh = "已备案"
en = "registered"
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft"]
to = "draft"
[operation.declare]
way = "message"
route = "mofcom"
signed = true
card_bound = true
body = "optional"
allowed = ["", "draft"]
opens_round = true
give_numbers = ["own"]
[operation.copy]
way = "desk"
allowed = ["draft", "registered"]
to = "draft"
give_numbers = ["own"]
[operation.query]
way = "desk"
desk = "query"
route = "mofcom"
waits = false
[[receipt]]
code = "30"
zh = "备案成功"
en = "registered"
status = "registered"
rank = 30
ends = "accepted"
[query.list]
source = "journal"
filters = { status = "status" }
columns = [{ name = "title", zh = "名称", en = "title", of = "Title" }, { name = "pass", zh = "密码", en = "password", of = "Login/Password" }]
"""
REGISTRATION_FIELDS = """Title,Title,名称,title,text,20,,,,,0..1,,,declare,,,,,,,,
Login,Login,账户,login,group,,,,,,0..1,,,,,,,,,,,
Login/Password,Password,账户密码,password,secret,,,,,,0..1,,,,,,,,,,,
"""
APPLICATION = """
title = { zh = "申请", en = "application" }
system = "XX"
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[status.declaring]
code = "2"
zh = "上报中"
en = "being declared"
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft"]
to = "draft"
[operation.declare]
way = "message"
route = "mofcom"
signed = true
card_bound = true
card_present = true
signed_when = [{ path = "Mode", is = "paperless" }]
body = "optional"
allowed = ["", "draft"]
between = "declaring"
opens_round = true
[needs.registration]
type = "XX.registration"
status = ["registered"]
at = ["declare"]
when = [{ path = "Mode", in = ["paper", "paperless"] }]
says = { zh = "您的企业尚未在本系统备案，请录入并提交备案信息", en = "The enterprise is not registered: register it first" }
"""
APPLICATION_FIELDS = """Title,Title,名称,title,text,20,,,,,0..1,,,declare,,,,,,,,
Mode,Mode,申请方式,mode,text,10,,,,,0..1,,,declare,,,,,,,,
"""


def write_types(root: Path) -> Path:
    """A folder of profiles with the two made-up types."""
    authority = root / "mofcom"
    for type_, profile, fields in (
        ("XX.registration", REGISTRATION, REGISTRATION_FIELDS),
        ("XX.application", APPLICATION, APPLICATION_FIELDS),
    ):
        (authority / type_).mkdir(parents=True)
        (authority / type_ / "profile.toml").write_text(profile, "utf-8")
        (authority / type_ / "fields.csv").write_text(HEADER + fields, "utf-8")
    (authority / "authority.toml").write_text('title={zh="某部",en="a ministry"}\naccount_code="mofcom_code"\n', "utf-8")
    (root / "tables").mkdir()
    return root


@dataclass
class Workshop:
    """A home whose daemon does a round whenever the test says so."""

    site: Site
    mofcom: Endpoint
    customs: Endpoint
    make: Callable[[], Daemon]
    daemons: list[Daemon] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.site.home

    @property
    def daemon(self) -> Daemon:
        if not self.daemons:
            self.daemons.append(self.make())
        return self.daemons[-1]

    def stop(self) -> None:
        while self.daemons:
            self.daemons.pop().stop()

    def end(self) -> None:
        """Stop the gateway and both authorities."""
        self.stop()
        self.mofcom.down()
        self.customs.down()

    def play(self, name: str, *states: str) -> dict[str, Any]:
        """Rounds until the file dropped under this name is in one of these states (default: a final one)."""

        def there() -> dict[str, Any] | None:
            status = self.site.status(name)
            return status if status is not None and status["state"] in (states or FINAL) else None

        found: dict[str, Any] = self.turns(there)
        return found

    def turns(self, until: Callable[[], Any]) -> Any:
        """Rounds until something is so."""
        return wait_until(
            lambda: turn(self.daemon) is not None and until(), "the work in hand", moves=lambda: journal_moves(self.site.home)
        )

    def send(self, type_: str, operation: str, reference: str, body: str = "", *states: str) -> dict[str, Any]:
        """Drop a message and play until it is there."""
        content = f'<{type_} xmlns="urn:tongguan:{type_}:1" operation="{operation}" reference="{reference}">{body}</{type_}>'
        return self.play(self.site.drop(content), *states)

    def business(self, type_: str, key: str) -> str:
        """The words of a document's status; empty while there is none."""
        return ((self.site.document(type_, key) or {}).get("business_status") or {}).get("text", "")

    def decide(self, reference: str, code: str, type_: str) -> None:
        """The authority's verdict on a message."""
        self.mofcom.issue(self.mofcom.receipt(code=code, type=type_, message=self.mofcom.wire_id(reference)))

    def register(self, reference: str = "reg") -> None:
        """A registration that the authority accepted."""
        self.send("XX.registration", "declare", reference, "<Title>x</Title>", "sent")
        self.decide(reference, "30", "XX.registration")
        self.turns(lambda: self.business("XX.registration", reference) == "已备案")


def alone(types: Path, *, home: Path) -> Profiles:
    """The types of a folder and no others; the settings speak of all authorities."""
    found = load_profiles(types)
    return Profiles(found, found.tables, {**load_profiles().authorities, **found.authorities})


def open_workshop(folder: Path, monkeypatch: pytest.MonkeyPatch, *, types: Path | None = None) -> Workshop:
    """A home of its own for the test; `types`: a folder of profiles (without: the installed ones)."""
    site, mofcom, customs = site_with_endpoints(folder, settings=QUICK, card="software")
    if types is not None:
        monkeypatch.setattr(assembly, "load_profiles", partial(alone, types))
    return Workshop(site, mofcom, customs, lambda: Daemon(site.home))


def everything(home: Path) -> dict[str, bytes]:
    """Every file of a home but the sender's own and the secret itself, and every body of the journal, unpacked."""
    found = {
        str(path.relative_to(home)): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and not {"secrets", "FailBox", "work"} & set(path.relative_to(home).parts)
    }
    engine = create_engine(f"sqlite:///{home}/tongguan.db")
    with engine.connect() as connection:
        for table, column in (("body", "content"), ("document", "content"), ("answer", "content")):
            for n, (frame,) in enumerate(connection.execute(text(f"SELECT {column} FROM {table}"))):
                found[f"{table} {n}"] = zstandard.ZstdDecompressor().decompress(frame)
        for (name,) in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")):
            rows = connection.execute(text(f'SELECT * FROM "{name}"')).all()
            found[f"rows of {name}"] = repr(rows).encode()
    engine.dispose()
    return found
