"""Secrets that a sender wrote openly are taken out of the bytes; references and everything else stay as they are."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from codecs_sample import FIELDS, check_json, check_xml, compiled, found

from tongguan.codecs.checking.secrets import HIDDEN, is_reference, redacted, with_secrets
from tongguan.codecs.reading.read import read

SECRETS = {"XX.sample": frozenset({"Password", "Key"})}
OPEN = "Hunter2-密码"


def xml(inside: str, type_: str = "XX.sample") -> str:
    return f'<?xml version="1.0"?><{type_} xmlns="urn:tongguan:{type_}:1" operation="save" reference="r">{inside}</{type_}>'


def in_json(**body: object) -> bytes:
    return json.dumps({"type": "XX.sample", "operation": "save", "reference": "r", "body": body}, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "inside",
    [
        f"<Password>{OPEN}</Password>",
        f"<Login><Password>\n  {OPEN}\n</Password></Login><Key>file:a</Key>",
        f"<x:Password xmlns:x='urn:y'>{OPEN}</x:Password>",
        f"<Password><![CDATA[</Password>{OPEN}]]></Password>",
        f"<Password><Deep>{OPEN}</Deep></Password>",
        f"<Password value='{OPEN}' other=\"a>{OPEN}\"/>",
        f"<Password>file:{OPEN} </Password>",
        f"<Key>{OPEN}</Key><Key>{OPEN}</Key>",
        f"<Batch><Item><Password>{OPEN}</Password></Item></Batch>",
        f"<!-- <Password>{OPEN}</Password> -->",
        f"<Password>{OPEN}",
        f"<Password>{OPEN}</Passw",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_an_open_secret_is_gone_from_xml_well_formed_or_not(inside: str, encoding: str) -> None:
    raw = xml(inside).encode(encoding)
    clean = redacted("m.xml", raw, SECRETS).decode(encoding)

    assert OPEN not in clean
    assert "Hunter2" not in clean
    assert HIDDEN in clean


@pytest.mark.parametrize(
    "raw",
    [
        in_json(Password=OPEN),
        in_json(Login={"Password": OPEN}, Key="env:TONGGUAN_SECRET_A"),
        in_json(Password={"deep": [OPEN]}),
        in_json(Password=[{"Password": OPEN}]),
        in_json(Line=[{"Key": OPEN}, {"Key": OPEN}]),
        in_json(Password=OPEN).replace(b"Password", b"Pass\\u0077ord"),
        in_json(Password=OPEN)[:-8],
        in_json(Password='a"b ' + OPEN),
        b'{"type": "XX.sample", "body": {"Password": Hunter2}}',
    ],
)
def test_an_open_secret_is_gone_from_json_well_formed_or_not(raw: bytes) -> None:
    clean = redacted("m.JSON", raw, SECRETS)

    assert b"Hunter2" not in clean
    assert HIDDEN.encode() in clean


def test_a_number_is_a_secret_too() -> None:
    assert b"123456" not in redacted("m.json", in_json(Password=123456), SECRETS)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("m.xml", xml("<Password>file:login/password.txt</Password><Title>x</Title>").encode()),
        ("m.xml", xml("<Password> env:TONGGUAN_SECRET_LOGIN </Password>").encode()),
        ("m.xml", xml("<Password/><Key></Key>").encode()),
        ("m.xml", xml(f"<PasswordHint>{OPEN}</PasswordHint>").encode()),
        ("m.xml", xml(f"<Password>{OPEN}</Password>", "XX.other").encode()),
        ("m.json", in_json(Password="file:a", Key=None, Title="Password: x")),
        ("m.json", in_json(Title='"Password": "x"')),
        ("m.txt", b"\xff\xfe\x00"),
    ],
)
def test_what_holds_no_open_secret_stays_the_same_object(name: str, raw: bytes) -> None:
    assert redacted(name, raw, SECRETS) is raw
    assert redacted(name, raw, {}) is raw


def test_the_rest_of_a_message_stays_byte_by_byte() -> None:
    raw = xml(f"<Title>é\t&amp;</Title><Password>{OPEN}</Password><N>1.50</N>").encode()

    assert redacted("m.xml", raw, SECRETS) == raw.replace(OPEN.encode(), HIDDEN.encode())
    numbers = in_json(Password=OPEN, N=1.50)
    assert redacted("m.json", numbers, SECRETS) == numbers.replace(OPEN.encode(), HIDDEN.encode())


def test_a_zip_is_packed_anew_with_its_attachments() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        attached = '<Attachments><Attachment file="声明.pdf"/></Attachments>'
        archive.writestr("a.xml", xml(f"<Password>{OPEN}</Password>{attached}"))
        archive.writestr("声明.pdf", b"%PDF-1")
    clean = redacted("m.zip", target.getvalue(), SECRETS)
    content = read("m.zip", clean, most_bytes=10**6)

    with zipfile.ZipFile(io.BytesIO(clean)) as archive:
        assert all(OPEN.encode() not in archive.read(name) for name in archive.namelist())
    assert content.files == {"声明.pdf": b"%PDF-1"}
    assert redacted("m.zip", clean, SECRETS) is clean


@pytest.mark.parametrize("text", ["file:a", "file:login/a.b-c_1", "env:TONGGUAN_SECRET_A1_"])
def test_a_reference_names_a_file_below_or_a_variable_of_ours(text: str) -> None:
    assert is_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        *("file:", "file:/etc/passwd", "file:../a", "file:a/../b", "file:a//b", "file:.a", "file:a/", "file:a\n", "file:密"),
        *("file:a b", "env:HOME", "env:TONGGUAN_SECRET_", "env:TONGGUAN_SECRET_a", "secret", ""),
    ],
)
def test_nothing_else_is_one(text: str) -> None:
    assert not is_reference(text)


def test_values_are_changed_at_any_depth_and_taken_out_by_none() -> None:
    content = {"Login": {"Password": "a", "Name": "n"}, "Line": [{"Key": "b"}, {}], "Password": "c"}

    assert with_secrets(content, "Login/Password", str.upper)["Login"] == {"Password": "A", "Name": "n"}
    assert with_secrets(content, "Line[]/Key", lambda _: None)["Line"] == [{}, {}]
    assert with_secrets(content, "Nothing/Password", str.upper) == content
    assert content["Line"] == [{"Key": "b"}, {}]


def test_a_field_of_this_type_takes_references_and_its_fault_shows_nothing(tmp_path) -> None:
    type_ = compiled(tmp_path, fields=f"{FIELDS}Pass,Pass,密码,password,secret,,,,,,0..1,,,,,,,,,,,\n")

    assert type_.secrets == ("Pass",)
    assert check_xml(type_, "<Code>ABCD</Code><Pass>file:a</Pass>").content["Pass"] == "file:a"
    for checked in (
        check_xml(type_, f"<Code>ABCD</Code><Pass>{OPEN}</Pass>"),
        check_json(type_, {"Code": "ABCD", "Pass": OPEN}),
        check_json(type_, {"Code": "ABCD", "Pass": 20261120}),
    ):
        assert [(code, path.rpartition("/")[2]) for code, path in found(checked)] in ([("GW-C29", "Pass")], [("GW-C15", "Pass")])
        assert not any(word in f.zh + f.en for f in checked.faults for word in (OPEN, "20261120"))
        assert "Pass" not in checked.content
