"""What `tongguan check` says of a file is what the gateway says of it, as far as that shows without card, authority and documents."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from homes import begins, new_home
from patience import wait_until
from rounds import all_told, turn

from tongguan.gateway.cli.demo.examples import _zipped, read_examples
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.profile.loading import load_profiles

pytestmark = pytest.mark.requirement("GW-03")
Tongguan = Callable[..., Any]
NS = "urn:tongguan:NA.application:1"
DAY = "2026-11-20"  #: of the examples
#: what needs the journal: other documents, their content, statuses and numbers, references in use
KNOWS = ("GW-F", "GW-C03", "GW-C2", "GW-C3", "GW-E0", "GW-E1")
ODD = {
    "empty.xml": b"",
    "no-reference.xml": f'<NA.application xmlns="{NS}" operation="declare"><TradeMode>110</TradeMode></NA.application>'.encode(),
    "no-operation.xml": f'<NA.application xmlns="{NS}" reference="v1"><TradeMode>110</TradeMode></NA.application>'.encode(),
    "no-reference.json": b'{"type":"NA.application","operation":"declare","body":{"TradeMode":"110"}}',
    "long-reference.json": b'{"type":"NA.application","operation":"declare","reference":"%s","body":{"TradeMode":"110"}}'
    % (b"r" * 65),
    "odd-attribute.xml": f'<NA.application xmlns="{NS}" operation="declare" reference="v2" a="1"><Year>1</Year></NA.application>'.encode(),
    "attachment.json": b'{"type":"NA.application","operation":"declare","reference":"v3","attachments":[{"file":"a"}],"body":{"Year":"1"}}',
    "query.xml": f'<NA.application xmlns="{NS}" operation="query" kind="list" sort="-x"><zz>1</zz></NA.application>'.encode(),
    "query.json": b'{"type":"NA.application","operation":"query","kind":"nothing"}',
    "unknown.json": b'{"type":"NA.applicatio","operation":"save","reference":"v4","body":{}}',
    "page.xml": b"<!DOCTYPE html><html><body>502</body></html>",
    "ceb.xml": b'<c:CEB311Message xmlns:c="http://www.chinaport.gov.cn/ceb" guid="1" version="1.0"/>',
    "receipt.xml": b"<DEC_RESULT><CHANNEL>7</CHANNEL></DEC_RESULT>",
    "settings.xml": b"<Settings><a/></Settings>",
    "status.json": b'{"schema":1,"message_id":"x","state":"sent"}',
    "other.json": b'{"a":[1,2]}',
    "pdf.xml": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3",
    "spaces.xml": b"  \n ",
    "batch.json": b'{"reference":"v5","batch":[{"type":"NA.application","operation":"declare","body":{"Year":"1"}},{"type":"Nobody","operation":"save"}],"x":1}',
    "items.json": b'{"reference":"v6","batch":[{"type":"NA.application","operation":"declare","document":"a\xe2\x80\x8b","body":{"Year":"1"}},{"operation":"save"}]}',
}


def written(folder: Path) -> list[Path]:
    """Every example, good or bad, and what people drop by mistake."""
    folder.mkdir()
    profiles = load_profiles()
    for example in read_examples(profiles, DAY):
        (folder / example.file).write_bytes(example.content)
    for profile in profiles.values():
        for bad in sorted((profile.folder / "examples").glob("bad-*")):
            if bad.is_dir():
                (folder / f"{profile.type}_{bad.name}.zip").write_bytes(_zipped(bad, DAY))
            else:
                shutil.copy(bad, folder / f"{profile.type}_{bad.name}")
    for name, raw in ODD.items():
        (folder / name).write_bytes(raw)
    return sorted(folder.iterdir())


@pytest.fixture
def daemon(home: Path) -> Iterator[Daemon]:
    new_home(home)
    begins(home, DAY)
    change_settings(home, "gateway", "settle", "0s")
    made = Daemon(home)
    yield made
    made.stop()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def told(found: list[dict[str, Any]]) -> set[tuple[str, str, int | None, str]]:
    return {(f["code"], f["path"], f["line"], f["label"]) for one in found for f in one["faults"] if f["severity"] == "error"}


def known_here(faults: set[tuple[str, str, int | None, str]]) -> set[tuple[str, str, int | None, str]]:
    return {fault for fault in faults if not fault[0].startswith(KNOWS)}


def test_the_verdicts_are_the_same_over_all_examples_and_all_that_is_wrong(
    daemon: Daemon, home: Path, tmp_path: Path, tongguan: Tongguan
) -> None:
    files = written(tmp_path / "drop")
    said = tongguan("check", *files, "--json", "--home", home).json
    mailbox = daemon.mailboxes["demo"].folder
    for file in files:
        shutil.copy(file, mailbox / "OutBox" / file.name)
    wait_until(lambda: not turn(daemon) and not any((mailbox / "OutBox").iterdir()), "everything to be taken")
    wait_until(lambda: not turn(daemon) and all_told(daemon), "the work to be done, and told")

    wrong = {}
    for file in files:
        status = json.loads((mailbox / "Status" / f"{file.name}.status.json").read_text("utf-8"))
        ours = told([one for one in said if one["file"] == str(file)])
        theirs = told([status, *status["items"]])
        if known_here(ours) != known_here(theirs):
            wrong[file.name] = (known_here(ours) - known_here(theirs), known_here(theirs) - known_here(ours))
        if ours and status["state"] != "refused" and not status["items"]:
            wrong[file.name] = status["state"]

    assert wrong == {}


@pytest.mark.parametrize("name", ODD)
def test_every_fault_has_its_place_and_its_label_in_the_language_of_who_reads(
    name: str, home: Path, tmp_path: Path, tongguan: Tongguan
) -> None:
    new_home(home)
    (tmp_path / name).write_bytes(ODD[name])
    for language in ("zh", "en"):
        faults = [
            f
            for one in tongguan("check", tmp_path / name, "--json", "--lang", language, "--home", home).json
            for f in one["faults"]
        ]
        assert faults
        for fault in faults:
            if name.endswith(".xml"):
                assert fault["path"].startswith("/") and isinstance(fault["line"], int), fault
            else:
                assert fault["path"] == "" or fault["path"].startswith("/"), fault
                assert "@" not in fault["path"], fault
            assert language == "zh" or fault["label"].isascii(), fault


FOREIGN = ["page.xml", "ceb.xml", "receipt.xml", "settings.xml", "status.json", "other.json", "pdf.xml"]


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_has_one_fault_that_says_what_it_is_and_what_is_taken(
    name: str, home: Path, tmp_path: Path, tongguan: Tongguan
) -> None:
    new_home(home)
    (tmp_path / name).write_bytes(ODD[name])
    said = tongguan("check", tmp_path / name, "--json", "--home", home)

    (fault,) = said.json[0]["faults"]
    assert (said.code, fault["code"]) == (2, "GW-M16" if name == "receipt.xml" else "GW-M18")
    assert "NA.application" in fault["message"] and "CD.declaration" in fault["message"]


@pytest.mark.requirement("GW-03")
@pytest.mark.parametrize("namespace", ["", ' xmlns=""', ' xmlns="urn:tongguan:na.application:1"'])
def test_a_message_in_a_wrong_namespace_has_one_fault_of_it(
    namespace: str, home: Path, tmp_path: Path, tongguan: Tongguan
) -> None:
    new_home(home)
    (tmp_path / "m.xml").write_text(
        f'<NA.application{namespace} operation="save" reference="r"><Year>2026</Year><Goods/></NA.application>'
    )
    faults = tongguan("check", tmp_path / "m.xml", "--json", "--home", home).json[0]["faults"]

    assert [(f["code"], f["path"]) for f in faults] == [("GW-M05", "/NA.application")]


@pytest.mark.parametrize(
    ("root", "meant"),
    [
        ("na.application", "NA.application"),
        ("CDlist", "CD.list"),
        ("SasMessage", ""),
        ("plist", ""),
        ("SWResponse", ""),
        ("Message", ""),
    ],
)
def test_a_type_is_guessed_at_only_where_it_is_surely_meant(
    root: str, meant: str, home: Path, tmp_path: Path, tongguan: Tongguan
) -> None:
    new_home(home)
    (tmp_path / "m.xml").write_text(f"<{root}/>")
    (fault,) = tongguan("check", tmp_path / "m.xml", "--json", "--lang", "en", "--home", home).json[0]["faults"]

    assert (fault["code"], "meant?" in fault["message"]) == ("GW-M18", bool(meant))
    assert f"(is {meant} meant?)" in fault["message"] or not meant


ARCHIVES = {
    "a.zip": (b"Rar!\x1a\7\0", "RAR", "ZIP"),
    "b.zip": (b"\xfd7zXZ\0", "xz", "ZIP"),
    "c.zip": (b"MSCF\0\0\0\0" + bytes(40), "CAB", "ZIP"),
    "d.xml": (b"PK\3\4" + bytes(40), "ZIP", ".zip"),
    "e.zip": (b"<a/>", "XML", ".xml"),
    "f.xml": (b"From: a@example.com\r\nSubject: x\r\n\r\nhello", "电子邮件", ""),
    "g.xml": (b"-----BEGIN PKCS7-----\nMIAG", "PEM", ""),
    "i.zip": (b"PK\3\4" + bytes(26) + b"OFD.xml" + bytes(40), "OFD", ""),
    "h.zip": (bytes(257) + b"ustar\0" + bytes(300), "tar", "ZIP"),
}


@pytest.mark.requirement("GW-03")
@pytest.mark.parametrize("name", ARCHIVES)
def test_what_is_called_otherwise_than_it_is_is_told_with_what_to_do(
    name: str, home: Path, tmp_path: Path, tongguan: Tongguan
) -> None:
    new_home(home)
    raw, what, do = ARCHIVES[name]
    (tmp_path / name).write_bytes(raw)
    (fault,) = tongguan("check", tmp_path / name, "--json", "--lang", "zh", "--home", home).json[0]["faults"]

    assert (fault["code"], what in fault["message"]) == ("GW-M18", True)
    assert do in fault["message"].partition("可接收")[0].partition("不能作为报文接收")[2]


def test_no_reference_hides_no_other_fault(home: Path, tmp_path: Path, tongguan: Tongguan) -> None:
    new_home(home)
    for name in (
        "no-reference.xml",
        "no-reference.json",
        "long-reference.json",
        "no-operation.xml",
        "odd-attribute.xml",
        "attachment.json",
    ):
        (tmp_path / name).write_bytes(ODD[name])
        codes = {f["code"] for f in tongguan("check", tmp_path / name, "--json", "--home", home).json[0]["faults"]}
        assert codes & {"GW-M07", "GW-M08", "GW-M10", "GW-E01"}, name
        assert codes & {"GW-C14", "GW-C16"}, name
