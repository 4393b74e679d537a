"""A secret is in its own file and, encrypted, with the authority; nothing else of a home ever holds it."""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from workshop import Workshop, everything, open_workshop, write_types

from tongguan.gateway.home.home import change_settings

SECRET = "Hunter2-not-to-be-found"
TYPE = "XX.registration"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    made = open_workshop(tmp_path, monkeypatch, types=write_types(tmp_path / "types"))
    change_settings(made.home, "route.mofcom", "secrets_to", "trust/mofcom-encryption.pem")
    folder = made.home / "secrets" / "demo"
    folder.mkdir(exist_ok=True)
    (folder / "login").write_text(SECRET + "\n")
    yield made
    made.stop()
    made.mofcom.down()
    made.customs.down()


def body(reference: str = "file:login") -> str:
    return f"<Title>x</Title><Login><Password>{reference}</Password></Login>"


def decrypted(shop: Workshop, call_body: bytes) -> str:
    """What the authority reads, by a program that is not ours."""
    found = re.search(rb"<Password>([^<]*)</Password>", call_body)
    assert found
    keys = shop.home / "simulators"
    command = ["openssl", "cms", "-decrypt", "-inform", "DER", "-inkey", str(keys / "mofcom-encryption.key")]
    return subprocess.run(command, input=b64decode(found[1], validate=True), capture_output=True, check=True).stdout.decode()


def leaks(shop: Workshop, output: str = "", secret: str = SECRET) -> list[str]:
    forms = {secret.encode(), secret.encode("utf-16-le")}
    whole = {**everything(shop.home), "output": output.encode()}
    return [name for name, content in whole.items() if any(form in content for form in forms)]


def test_a_secret_goes_out_encrypted_and_is_nowhere_else(shop: Workshop, capfd: pytest.CaptureFixture[str]) -> None:
    shop.send(TYPE, "save", "r1", body())
    content = f'<{TYPE} xmlns="urn:tongguan:{TYPE}:1" operation="declare" reference="r2" document="r1"/>'
    status = shop.play(shop.site.drop(content), "sent")
    shop.decide("r2", "30", TYPE)
    shop.turns(lambda: shop.business(TYPE, "r1") == "已备案")
    shop.send(TYPE, "copy", "r3", "", "refused", "accepted")
    (call,) = shop.mofcom.posts("r2")
    shop.stop()

    assert decrypted(shop, call.body) == SECRET
    assert b"file:login" not in call.body
    assert leaks(shop, "".join(capfd.readouterr())) == []
    assert "body" in {name.split()[0] for name in leaks(shop, secret="file:login")}, "the search finds what is there"
    assert (shop.site.document(TYPE, "r1") or {})["body"]["Login"]["Password"] == "file:login"
    assert status["faults"] == []


def test_a_list_shows_the_reference_and_a_copy_takes_it_along(shop: Workshop) -> None:
    shop.send(TYPE, "save", "r1", body())
    name = shop.site.drop(f'<{TYPE} xmlns="urn:tongguan:{TYPE}:1" operation="query" kind="list" format="json" reference="q"/>')
    shop.play(name)
    result = shop.turns(lambda: shop.site.inbox(f"Result_{name.removesuffix('.xml')}_"))[0]

    assert [row["pass"] for row in json.loads(result.read_bytes())["rows"]] == ["file:login"]


def test_a_variable_of_the_environment_will_do(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGGUAN_SECRET_LOGIN", SECRET)
    shop.send(TYPE, "declare", "r1", body("env:TONGGUAN_SECRET_LOGIN"), "sent")

    assert decrypted(shop, shop.mofcom.posts("r1")[0].body) == SECRET


def test_the_whole_message_may_be_encrypted_too(shop: Workshop) -> None:
    change_settings(shop.home, "route.mofcom", "encrypt_to", "trust/mofcom-encryption.pem")
    shop.send(TYPE, "declare", "r1", body(), "sealed", "sent")
    sent = shop.turns(lambda: [call.body for call in shop.mofcom.calls if call.what == "post"])[0]
    keys = shop.home / "simulators"
    command = ["openssl", "cms", "-decrypt", "-inform", "DER", "-inkey", str(keys / "mofcom-encryption.key")]
    inner = subprocess.run(command, input=sent, capture_output=True, check=True).stdout

    assert b"Package" not in sent
    assert decrypted(shop, inner) == SECRET


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.xml", f'<{TYPE} xmlns="urn:tongguan:{TYPE}:1" operation="save" reference="r1">{body(SECRET)}</{TYPE}>'),
        ("m.xml", f'<{TYPE} xmlns="urn:tongguan:{TYPE}:1" operation="save" reference="r1">{body(SECRET)}'),
        (
            "m.json",
            json.dumps(
                {"batch": [{"type": TYPE, "operation": "declare", "reference": "r1", "body": {"Login": {"Password": SECRET}}}]}
            ),
        ),
    ],
)
def test_a_secret_that_was_written_openly_is_refused_and_not_kept(
    shop: Workshop, name: str, content: str, capfd: pytest.CaptureFixture[str]
) -> None:
    status = shop.play(shop.site.drop(content, name=name))
    verdict = shop.daemon.journal.verify()
    shop.stop()
    shown = json.dumps(status, ensure_ascii=False)

    assert status["state"] == "refused"
    assert verdict.broken is None
    assert leaks(shop, "".join(capfd.readouterr()) + shown) == []
    (original,) = (shop.site.mailbox / "FailBox").iterdir()
    assert SECRET in original.read_text(), "the sender's own file stays the sender's own"


def test_the_fault_says_where_and_what_to_write(shop: Workshop) -> None:
    status = shop.send(TYPE, "save", "r1", body(SECRET))
    (fault,) = status["faults"]

    assert (fault["code"], fault["path"], fault["line"]) == ("GW-C29", f"/{TYPE}/Login/Password", 1)
    assert "env:TONGGUAN_SECRET_" in fault["message"]


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("file:nothing", "No such file"),
        ("file:linked", "在该账户的文件夹之外"),
        ("file:folder", "不是普通文件"),
        ("file:empty", "是空的或不存在"),
        ("file:large", "超过 65536 字节"),
        ("env:TONGGUAN_SECRET_NOBODY", "是空的或不存在"),
    ],
)
def test_a_reference_that_leads_nowhere_is_a_fault_at_declare_and_none_at_save(shop: Workshop, reference: str, why: str) -> None:
    folder = shop.home / "secrets" / "demo"
    (folder / "linked").symlink_to(shop.home / "secrets" / "mofcom.pin")
    (folder / "folder").mkdir()
    (folder / "empty").write_text("\n")
    (folder / "large").write_text("x" * 70_000)

    assert shop.send(TYPE, "save", "r0", body(reference))["state"] == "accepted"
    status: dict[str, Any] = shop.send(TYPE, "declare", "r1", body(reference))
    assert [f["code"] for f in status["faults"]] == ["GW-F40"]
    assert reference in status["faults"][0]["message"]
    assert why in status["faults"][0]["message"]
    assert shop.mofcom.posts("r1") == []


def test_in_a_batch_the_fault_is_in_the_item_whose_secret_is_missing(shop: Workshop) -> None:
    namespace = f'xmlns="urn:tongguan:{TYPE}:1" operation="declare"'
    items = [f'<{TYPE} {namespace} reference="b{n}">\n{body(to)}\n</{TYPE}>' for n, to in enumerate(("file:login", "file:none"))]
    as_xml = "<Batch>\n" + "\n".join(items) + "\n</Batch>"
    told = [
        {"type": TYPE, "operation": "declare", "reference": f"j{n}", "body": {"Title": "x", "Login": {"Password": to}}}
        for n, to in enumerate(("file:login", "file:none"))
    ]
    for name, content in (("b.xml", as_xml), ("b.json", json.dumps({"batch": told}))):
        shop.play(shop.site.drop(content, name=name), "sent", "refused", "accepted")

    with shop.daemon.journal.search() as records:
        (of_xml,), (of_json,) = (records.find(reference)[0].faults for reference in ("b1", "j1"))
    assert (of_xml.code, of_xml.path, of_xml.line) == ("GW-F40", "/Batch/*[2]/Login/Password", 6)
    assert (of_json.code, of_json.path, of_json.line) == ("GW-F40", "/batch/1/body/Login/Password", None)


@pytest.mark.parametrize("form", ["xml", "json"])
def test_a_secret_that_went_while_the_card_was_out_is_told_with_its_place(shop: Workshop, form: str) -> None:
    key = shop.home / "cards" / "demo-mofcom.key"
    key.rename(key.with_suffix(".away"))
    content = f'<{TYPE} xmlns="urn:tongguan:{TYPE}:1" operation="declare" reference="r1">\n{body()}\n</{TYPE}>'
    if form == "json":
        given = {"Title": "x", "Login": {"Password": "file:login"}}
        content = json.dumps({"type": TYPE, "operation": "declare", "reference": "r1", "body": given})
    name = shop.site.drop(content, name=f"m.{form}")
    shop.turns(lambda: (s := shop.site.status(name)) and s["waiting_for"] == "card")
    (shop.home / "secrets" / "demo" / "login").unlink()
    key.with_suffix(".away").rename(key)
    (fault,) = shop.play(name, "refused")["faults"]

    assert fault["code"] == "GW-F40"
    where = (f"/{TYPE}/Login/Password", 2) if form == "xml" else ("/body/Login/Password", None)
    assert (fault["path"], fault["line"]) == where


def test_where_nobody_can_be_encrypted_to_nothing_leaves(shop: Workshop) -> None:
    change_settings(shop.home, "route.mofcom", "secrets_to", "")
    status = shop.send(TYPE, "declare", "r1", body())

    assert [f["code"] for f in status["faults"]] == ["GW-F41"]
    assert "secrets_to" in status["faults"][0]["message"]
    assert shop.send(TYPE, "declare", "r2", "<Title>x</Title>", "sent")["state"] == "sent"
