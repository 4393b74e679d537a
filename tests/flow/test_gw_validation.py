"""Validation: every fault at once, with code, place, label and what would be right; what must be refused is refused cleanly."""

from __future__ import annotations

import io
import json
import re
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from lxml import etree
from sites import Site, wait_until

from tongguan.gateway.home.home import change_settings

pytestmark = pytest.mark.requirement("GW-03")
CATEGORY = "00000002"
NS = f'xmlns="urn:tongguan:{b.APPLICATION}:1"'

#: what is wrong in the one document of these tests: (element, value), (code, the label that the fault names, and a part of its text)
WRONG: dict[tuple[str, Any], tuple[str, str, str]] = {
    ("Year", "26"): ("GW-C16", "年度", "4"),
    ("TradeMode", "99X9"): ("GW-C14", "贸易方式", "99X9"),
    ("ArrivalDate", "2026-13-45"): ("GW-C11", "预计到港时间", "2026-11-20"),
    ("StateTrading", "是"): ("GW-C", "是否国营贸易", "是"),
    ("ContactName", None): ("GW-C03", "联系人", "必填"),
    ("Supplier", "x" * 101): ("GW-C04", "供应商", "100"),
    ("ImportedThisYear", "1,000"): ("GW-C06", "今年已进口数量(吨)", "1,000"),
    ("NotASuchElement", "1"): ("GW-C01", "", "NotASuchElement"),
}


def wrong_application() -> etree._Element:
    root = b.application("declare")
    for path, value in WRONG:
        b.put(root, path, value)
    goods = root.find("{*}Goods")
    assert goods is not None
    b.put(goods, "CodeTS", "BENZENE")
    b.put(goods, "Spec/Quantity", "-5")
    return root


def pretty(root: etree._Element) -> bytes:
    """One element a line, so that lines tell them apart."""
    text = etree.tostring(etree.fromstring(etree.tostring(root), etree.XMLParser(remove_blank_text=True)), pretty_print=True)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text


def expected(faults: list[dict[str, Any]], code: str, label: str, text: str) -> dict[str, Any] | None:
    return next((f for f in faults if f["code"].startswith(code) and label in (f["label"] or "") and text in f["message"]), None)


def test_every_fault_is_told_at_once_with_code_place_line_and_label(site: Site) -> None:
    content = pretty(wrong_application())
    name = site.drop(content)
    faults = site.wait(name, "refused")["faults"]

    for (element, _), (code, label, text) in WRONG.items():
        found = expected(faults, code, label, text)
        assert found, f"{element}: {[(f['code'], f['label'], f['message']) for f in faults]}"
        assert found["severity"] == "error"
        assert element in found["path"] or code == "GW-C03"
    lines = content.decode().splitlines()
    for each in faults:
        assert each["path"].startswith("/"), each
        assert 1 <= each["line"] <= len(lines), each
    year = next(f for f in faults if f["path"].endswith("Year") and f["code"] == "GW-C16")
    assert "<Year>26</Year>" in lines[year["line"] - 1]
    quantity = next(f for f in faults if "Quantity" in f["path"])
    assert "<Quantity>-5</Quantity>" in lines[quantity["line"] - 1]
    (answer,) = site.inbox(f"Failed_{name[:-4]}_")
    told = etree.parse(str(answer)).getroot()
    assert told.get("code") == "1"
    assert {f.get("code") for f in told.iter("{*}Fault")} == {f["code"] for f in faults}


def test_the_path_leads_to_the_element(site: Site) -> None:
    content = pretty(wrong_application())
    tree = etree.fromstring(content)
    for each in site.wait(site.drop(content), "refused")["faults"]:
        steps = [re.sub(r"^([^\[]+)", r"*[local-name()='\1']", step) for step in each["path"].split("/")[1:]]
        place = tree.xpath("/" + "/".join(steps))
        assert len(place) == (0 if each["code"] == "GW-C03" else 1), each
        if each["code"] != "GW-C03":
            assert place[0].sourceline == each["line"], each


def test_json_gets_the_same_faults_with_pointers(site: Site) -> None:
    raw = json.loads((b.PROFILES / "mofcom" / b.APPLICATION / "examples" / "ok-declare.json").read_bytes())
    raw["reference"] = b.fresh("json")
    body = raw["body"]
    for element, value in WRONG:
        body[element] = value
        if value is None:
            del body[element]
    name = site.drop(json.dumps(raw, ensure_ascii=False), suffix=".json")
    faults = site.wait(name, "refused")["faults"]

    for (element, _), (code, label, text) in WRONG.items():
        assert expected(faults, code, label, text), f"{element}: {faults}"
    year = next(f for f in faults if f["code"] == "GW-C16")
    assert year["path"] == "/body/Year"


def test_check_says_the_same_without_sending_in_either_language(site: Site, tmp_path: Path) -> None:
    root = wrong_application()
    file = tmp_path / "wrong.xml"
    file.write_bytes(pretty(root))
    said = {}
    for language in ("zh", "en"):
        done = site.command("check", str(file), "--lang", language, "--json")
        assert done.returncode == 1
        (said[language],) = json.loads(done.stdout)

    codes = [[(f["code"], f["path"], f["line"]) for f in said[language]["faults"]] for language in ("zh", "en")]
    assert codes[0] == codes[1]
    assert any("must be" in f["message"] for f in said["en"]["faults"])
    assert any("应为" in f["message"] for f in said["zh"]["faults"])
    name = site.drop(pretty(root))
    assert {f["code"] for f in site.wait(name, "refused")["faults"]} == {code for code, _, _ in codes[0]}
    shown = site.command("check", str(file), "--lang", "en")
    assert "GW-C16" in shown.stdout and "wrong.xml" in shown.stdout


def test_check_ends_with_0_clean_1_faults_2_unreadable(site: Site, tmp_path: Path) -> None:
    good, bad, unreadable = (tmp_path / f"{name}.xml" for name in ("good", "bad", "unreadable"))
    good.write_bytes(b.xml(b.application("declare")))
    bad.write_bytes(b.xml(b.application("declare", Year="26")))
    unreadable.write_bytes(b"<a")

    assert site.command("check", str(good)).returncode == 0
    assert site.command("check", str(good), str(bad)).returncode == 1
    assert site.command("check", str(unreadable)).returncode == 2
    assert site.command("check", str(tmp_path / "absent.xml")).returncode == 2


def test_an_account_reads_faults_in_its_own_language(own_site: Site) -> None:
    change_settings(own_site.home, "account", "language", "en", named="demo")
    own_site.run()
    name = own_site.drop(pretty(wrong_application()))
    faults = own_site.wait(name, "refused")["faults"]

    assert any("is required" in f["message"] for f in faults)
    assert not any("必填" in f["message"] for f in faults)
    assert any("contact" in f["message"] for f in faults)


def deep(levels: int) -> bytes:
    return b"<?xml version='1.0'?>" + b"<a>" * levels + b"</a>" * levels


def zipped(*entries: tuple[Any, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return target.getvalue()


def linked() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("link.pdf")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


YEAR = f"<Year>{b.YEAR}</Year>".encode()


def good() -> bytes:
    return b.xml(b.application("save"))


def declared_as(encoding: str, raw: bytes) -> bytes:
    return raw.replace(b"UTF-8", encoding.encode(), 1)


HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "dtd": (".xml", lambda: b'<!DOCTYPE a SYSTEM "file:///etc/passwd">' + good().partition(b"?>\n")[2], "GW-X03"),
    "entity": (".xml", lambda: b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "GW-X03"),
    "billion laughs": (
        ".xml",
        lambda: b'<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;">]><a>&y;</a>',
        "GW-X03",
    ),
    "unknown entity": (".xml", lambda: f"<{b.APPLICATION} {NS}>&nbsp;</{b.APPLICATION}>".encode(), "GW-X"),
    "unknown encoding": (".xml", lambda: declared_as("EBCDIC-CP-US", good()), "GW-X02"),
    "wrong bytes": (".xml", lambda: good().replace(b"Example", b"Ex\xff\xfe\xff", 1), "GW-X0"),
    "deep": (".xml", lambda: deep(5000), "GW-X0"),
    "long text": (
        ".xml",
        lambda: f"<{b.APPLICATION} {NS}><Remark>{'x' * 12_000_000}</Remark></{b.APPLICATION}>".encode(),
        "GW-X0",
    ),
    "wrong namespace": (".xml", lambda: good().replace(b"urn:tongguan:", b"urn:somebody:", 1), "GW-"),
    "unknown root": (".xml", lambda: b"<Invoice/>", "GW-"),
    "unknown type": (".xml", lambda: good().replace(b.APPLICATION.encode(), b"ZZ.unknown"), "GW-F46"),
    "unknown operation": (".xml", lambda: good().replace(b'operation="save"', b'operation="explode"'), "GW-"),
    "no reference": (".xml", lambda: good().replace(b'reference="', b'references="'), "GW-M"),
    "long reference": (".xml", lambda: b.xml(b.application("save", reference="r" * 65)), "GW-M08"),
    "xinclude": (
        ".xml",
        lambda: good().replace(
            b"<Year>", b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd"/><Year>', 1
        ),
        "GW-C01",
    ),
    "double element": (".xml", lambda: good().replace(YEAR, YEAR * 2, 1), "GW-C02"),
    "system field": (".xml", lambda: b.xml(b.application("save", LicenceNo="26AA000001")), "GW-C"),
    "json cut": (".json", lambda: b'{"type": ', "GW-J01"),
    "json double key": (".json", lambda: b'{"type": "a", "type": "b"}', "GW-J03"),
    "json double key below": (
        ".json",
        lambda: b.as_json(b.APPLICATION, "save", {"Year": "2026"}).replace(b'"Year"', b'"Year": "2026", "Year"'),
        "GW-J03",
    ),
    "json nan": (".json", lambda: b.as_json(b.APPLICATION, "save", {"Year": float("nan")}), "GW-J04"),
    "json infinity": (".json", lambda: b.as_json(b.APPLICATION, "save", {"Year": float("inf")}), "GW-J04"),
    "json deep": (".json", lambda: b'{"a":' * 3000 + b"1" + b"}" * 3000, "GW-J05"),
    "json array": (".json", lambda: b"[1, 2]", "GW-J"),
    "json gb18030": (".json", lambda: '{"type": "中文"}'.encode("gb18030"), "GW-J02"),
    "json control": (".json", lambda: b.as_json(b.APPLICATION, "save", {"Year": "2026", "Remark": "a\u0000b"}), "GW-J09"),
    "json unknown": (".json", lambda: b.as_json(b.APPLICATION, "save", {"Year": "2026", "Yaer": "2026"}), "GW-C01"),
    "json list for text": (".json", lambda: b.as_json(b.APPLICATION, "save", {"Year": ["2026"]}), "GW-"),
    "no zip": (".zip", lambda: b"PK but not really", "GW-Z01"),
    "zip cut": (".zip", lambda: zipped(("m.xml", good()))[:-40], "GW-Z01"),
    "zip without message": (".zip", lambda: zipped(("a.pdf", b.pdf())), "GW-Z02"),
    "zip with two messages": (".zip", lambda: zipped(("a.xml", good()), ("b.xml", good())), "GW-Z02"),
    "zip of many": (".zip", lambda: zipped(*[(f"{n}.pdf", b"x") for n in range(1500)]), "GW-Z03"),
    "zip bomb": (".zip", lambda: zipped(("m.xml", good()), ("b.pdf", b"\0" * 70_000_000)), "GW-Z0"),
    "zip of great ratio": (".zip", lambda: zipped(("m.xml", good()), ("b.pdf", b"\0" * 20_000_000)), "GW-Z05"),
    "zip with path": (".zip", lambda: zipped(("m.xml", good()), ("../../evil.pdf", b"x")), "GW-Z06"),
    "zip with absolute path": (".zip", lambda: zipped(("m.xml", good()), ("/etc/evil.pdf", b"x")), "GW-Z06"),
    "zip with drive": (".zip", lambda: zipped(("m.xml", good()), ("C:\\evil.pdf", b"x")), "GW-Z06"),
    "zip with link": (".zip", lambda: zipped(("m.xml", good()), (linked(), b"/etc/passwd")), "GW-Z07"),
    "zip in zip": (".zip", lambda: zipped(("m.zip", zipped(("m.xml", good())))), "GW-Z02"),
    "unnamed attachment": (".zip", lambda: zipped(("m.xml", good()), ("a.pdf", b.pdf())), "GW-E02"),
    "missing attachment": (".xml", lambda: b.xml(b.with_files(b.application("save"), ("a.pdf", "00000002"))), "GW-E01"),
    "attachment of another kind": (
        ".zip",
        lambda: zipped(("m.xml", b.xml(b.with_files(b.inspection(), ("a.pdf", CATEGORY)))), ("a.pdf", b"MZ" + b"\0" * 500)),
        "GW-E04",
    ),
    "attachment too large": (
        ".zip",
        lambda: zipped(
            ("m.xml", b.xml(b.with_files(b.inspection(), ("a.pdf", CATEGORY)))), ("a.pdf", b.pdf(3, bytes_a_page=500_000))
        ),
        "GW-E0",
    ),
    "empty attachment": (
        ".zip",
        lambda: zipped(("m.xml", b.xml(b.with_files(b.inspection(), ("a.pdf", CATEGORY)))), ("a.pdf", b"")),
        "GW-E16",
    ),
    "empty batch": (".xml", lambda: b.batch([]), "GW-M13"),
    "batch of too many": (".xml", lambda: b.batch([b.application("save")] * 501), "GW-M1"),
    "double in batch": (".xml", lambda: b.batch([b.application("save", reference="twice")] * 2), "GW-M12"),
}


@pytest.mark.parametrize("case", sorted(HOSTILE))
def test_what_must_be_refused_is_refused_with_its_code(site: Site, case: str) -> None:
    suffix, content, code = HOSTILE[case]
    name = site.drop(content(), suffix=suffix)
    status = site.wait(name)
    items = status.get("items") or []
    faults = status["faults"] + [f for item in items for f in item["faults"]]

    assert status["state"] == "refused", status
    assert any(f["code"].startswith(code) for f in faults), [(f["code"], f["message"][:200]) for f in faults]
    assert wait_until(lambda: site.places(name) == ["FailBox"], "the original in FailBox")
    assert all(len(f["message"]) < 1000 for f in faults), "a fault quotes no flood"
    assert "root:" not in json.dumps(status), "nothing of this machine is told"


@pytest.mark.parametrize("encoding", ["GB18030", "GBK", "UTF-16"])
def test_other_encodings_are_read_as_they_say(site: Site, encoding: str) -> None:
    root = b.application("save", Remark="编码测试：镕")
    content = etree.tostring(root, xml_declaration=True, encoding=encoding)
    status = site.wait(site.drop(content))

    if encoding == "GBK" and status["state"] == "refused":
        assert b.codes(status) == {"GW-X02"}
        return
    assert status["state"] == "accepted", status["faults"]
    document = wait_until(lambda: site.document(b.APPLICATION, status["document"]), "its document")
    assert document["body"]["Remark"] == "编码测试：镕"


def test_a_flood_of_faults_is_cut_short_and_counted(site: Site) -> None:
    root = b.application("save", goods_=[{"CodeTS": "x", "Unit": "y", "Currency": "z"} for _ in range(400)])
    status = site.wait(site.drop(b.xml(root)))

    assert status["state"] == "refused"
    assert 100 < len(status["faults"]) <= 501
