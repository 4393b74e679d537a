"""ZIPs: exactly the message and the attachments it names, and nothing that harms."""

from __future__ import annotations

import io
import random
import stat
import struct
import unicodedata
import zipfile
import zlib

import pytest
from effort import effort

from tongguan.codecs.reading.formats.read_zip import unpack
from tongguan.codecs.reading.read import read
from tongguan.gateway.model.errors import Fault, Refused

MESSAGE = '<XX.test xmlns="urn:tongguan:XX.test:1" operation="{operation}" reference="r">{body}</XX.test>'
NAMED = '<Attachments><Attachment file="声明.pdf" category="1"/></Attachments>'


def message(body: str = "", operation: str = "attach") -> bytes:
    return MESSAGE.format(body=body, operation=operation).encode()


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, raw in entries:
            archive.writestr(name, raw)
    return target.getvalue()


def refused(raw: bytes) -> tuple[Fault, ...]:
    with pytest.raises(Refused) as caught:
        read("m.zip", raw, most_bytes=100_000_000)
    return caught.value.faults


def codes(raw: bytes) -> list[str]:
    return [fault.code for fault in refused(raw)]


def test_a_message_and_its_attachments_are_read():
    content = read("M.ZIP", zipped(("m.xml", message(NAMED)), ("声明.pdf", b"%PDF")), most_bytes=10_000)

    assert content.form == "xml"
    assert content.items[0].attachments == (("声明.pdf", "1"),)
    assert dict(content.files) == {"声明.pdf": b"%PDF"}


def test_names_without_the_utf8_flag_are_gb18030():
    raw = zipped(("m.xml", message(NAMED)), ("12345678", b"%PDF"))
    raw = raw.replace(b"12345678", "声明".encode("gb18030") + b".pdf")

    assert list(read("m.zip", raw, most_bytes=10_000).files) == ["声明.pdf"]


def test_names_in_no_known_encoding_are_refused():
    raw = zipped(("m.xml", message()), ("12345678", b"")).replace(b"12345678", b"\xff\xff\xff\xff.pdf")

    assert codes(raw) == ["GW-Z10"]


def test_the_digest_counts_the_bytes_of_attachments():
    one = read("m.zip", zipped(("m.xml", message(NAMED)), ("声明.pdf", b"1")), most_bytes=10_000)
    two = read("m.zip", zipped(("m.xml", message(NAMED)), ("声明.pdf", b"2")), most_bytes=10_000)

    assert one.items[0].sha256 != two.items[0].sha256


def test_missing_and_surplus_attachments_are_named():
    faults = refused(zipped(("m.xml", message(NAMED)), ("other.pdf", b"x")))

    assert [f.code for f in faults] == ["GW-E01", "GW-E02"]
    assert "声明.pdf" in faults[0].zh and "other.pdf" in faults[1].zh


def test_a_detach_names_files_and_brings_none():
    assert read("m.zip", zipped(("m.xml", message(NAMED, "detach"))), most_bytes=10_000).items[0].attachments
    assert codes(zipped(("m.xml", message(NAMED, "detach")), ("声明.pdf", b"x"))) == ["GW-E02"]


def test_there_is_exactly_one_message():
    assert codes(zipped(("a.pdf", b"x"))) == ["GW-Z02"]
    assert codes(zipped(("a.xml", message()), ("b.JSON", b"{}"))) == ["GW-Z02"]
    assert codes(zipped(("inner.zip", zipped(("a.xml", message()))))) == ["GW-Z02"]


def test_an_entry_that_stands_twice_is_refused():
    with pytest.warns(UserWarning):
        raw = zipped(("m.xml", message(NAMED)), ("声明.pdf", b"1"), ("声明.pdf", b"2"))

    assert codes(raw) == ["GW-Z09"]


@pytest.mark.parametrize("name", ["../a.pdf", "/a.pdf", "a\\b.pdf", "C:a.pdf", "x/../../a.pdf", "x//a", "x/./a.pdf", "a\x1fb"])
def test_names_that_lead_elsewhere_are_refused(name):
    assert codes(zipped(("m.xml", message()), (name, b"x"))) == ["GW-Z06"]


def test_folders_are_refused_but_in_a_batch():
    assert codes(zipped(("m.xml", message()), ("r/a.pdf", b"x"))) == ["GW-Z06"]

    batch = b'<Batch reference="b">' + message(NAMED) + b"</Batch>"
    content = read("b.zip", zipped(("m.xml", batch), ("r/", b""), ("r/声明.pdf", b"x")), most_bytes=10_000)
    assert dict(content.files) == {"r/声明.pdf": b"x"}
    assert codes(zipped(("m.xml", batch), ("r/s/声明.pdf", b"x"))) == ["GW-Z06"]
    assert codes(zipped(("m.xml", batch), ("声明.pdf", b"x"))) == ["GW-E01", "GW-E02"]


def test_a_missing_attachment_spoils_its_item_of_a_batch_only():
    other = message(NAMED).replace(b'"r"', b'"s"')
    batch = b'<Batch reference="b">' + message(NAMED) + other + b"</Batch>"
    items = read("b.zip", zipped(("m.xml", batch), ("s/声明.pdf", b"x")), most_bytes=10_000).items

    assert [[f.code for f in i.faults] for i in items] == [["GW-E01"], []]


def test_a_reference_that_cannot_name_a_folder_has_no_attachments():
    batch = b'<Batch reference="b">' + message(NAMED).replace(b'"r"', b'"../r"') + b"</Batch>"
    items = read("b.zip", zipped(("m.xml", batch)), most_bytes=10_000).items

    assert "GW-M15" in [f.code for f in items[0].faults]


def test_links_and_special_files_are_refused():
    link = zipfile.ZipInfo("声明.pdf")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16

    assert codes(zipped(("m.xml", message(NAMED)), (link, b"/etc/passwd"))) == ["GW-Z07"]


def test_encrypted_entries_are_refused():
    raw = bytearray(zipped(("m.xml", message()), compression=zipfile.ZIP_STORED))
    central = raw.index(b"PK\x01\x02")
    raw[6] |= 1
    raw[central + 8] |= 1

    assert codes(bytes(raw)) == ["GW-Z08"]


def test_bombs_are_refused_before_they_are_unpacked():
    assert codes(zipped(("m.xml", message()), ("a.pdf", b"\0" * 2_000_000))) == ["GW-Z05"]
    many = [(f"{n}.pdf", b"") for n in range(1001)]
    assert codes(zipped(("m.xml", message()), *many)) == ["GW-Z03"]
    large = [(f"{n}.bin", b"\0" * 999_999) for n in range(65)]
    assert codes(zipped(("m.xml", message()), *large)) == ["GW-Z04"]


def test_a_list_that_lies_about_its_length_is_refused():
    raw = bytearray(zipped(("m.xml", message()), *[(f"{n}.pdf", b"") for n in range(1001)]))
    end = raw.rindex(b"PK\x05\x06")
    struct.pack_into("<2H", raw, end + 8, 1, 1)

    assert codes(bytes(raw)) == ["GW-Z03"]


def test_other_compressions_are_refused():
    assert codes(zipped(("m.xml", message()), compression=zipfile.ZIP_LZMA)) == ["GW-Z11"]


def test_damage_is_refused():
    raw = zipped(("m.xml", message()), compression=zipfile.ZIP_STORED)

    assert codes(raw.replace(b"XX.test", b"YY.test")) == ["GW-Z11"]
    assert codes(raw[:-30]) == ["GW-Z01"]
    assert codes(b"no zip at all") == ["GW-Z01"]


def with_zip64_list(raw: bytes, *, entries: int, size: int) -> bytes:
    """The same archive, whose end record says little while a ZIP64 record before it says much."""
    end = raw.rindex(b"PK\x05\x06")
    at = struct.unpack_from("<L", raw, end + 16)[0]
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, at)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    return raw[:end] + record + locator + raw[end:]


def test_a_zip64_list_counts_whatever_the_other_says():
    raw = zipped(("m.xml", message()))
    size = struct.unpack_from("<L", raw, raw.rindex(b"PK\x05\x06") + 12)[0]

    assert unpack(with_zip64_list(raw, entries=1, size=size)).form == "xml"
    assert codes(with_zip64_list(raw, entries=1001, size=size)) == ["GW-Z03"]
    assert codes(with_zip64_list(raw, entries=1, size=2**40)) == ["GW-Z03"]
    assert codes(with_zip64_list(raw, entries=1, size=1_000_001)) == ["GW-Z03"]


def test_small_entries_that_together_unpack_beyond_belief_are_refused():
    bombs = [(f"a{n}.pdf", bytes(900_000)) for n in range(30)]

    assert codes(zipped(("m.xml", message()), *bombs)) == ["GW-Z04"]


def test_entries_that_lie_over_one_another_are_no_way_round_the_bounds():
    raw = zipped(("m.xml", message()), ("a.pdf", random.Random(1).randbytes(50_000)))
    start = raw.index(b"PK\x01\x02")
    end = raw.rindex(b"PK\x05\x06")
    second = raw.index(b"PK\x01\x02", start + 4)
    entry = raw[second:end]
    copies = b"".join(entry.replace(b"a.pdf", f"b{n:03}.".encode()[:5]) for n in range(900))
    many = raw[:end] + copies + raw[end:]
    patched = bytearray(many)
    at = len(many) - 22
    struct.pack_into("<2HL", patched, at + 8, 902, 902, end - start + len(copies))

    assert set(codes(bytes(patched))) <= {"GW-Z04", "GW-Z11", "GW-Z09"}


def test_a_file_that_is_named_a_thousand_times_is_hashed_once():
    named = '<Attachment file="a.pdf" category="1"/>' * 1000
    raw = zipped(("m.xml", message(f"<Attachments>{named}</Attachments>")), ("a.pdf", random.Random(1).randbytes(200_000)))

    assert effort(lambda: codes(raw), len(raw), enough=25) < 25


def raw_named(raw: bytes, placeholder: str, name: bytes) -> bytes:
    """The archive with the bytes of a name in place of as many letters, without the UTF-8 flag."""
    assert len(placeholder) == len(name)
    return raw.replace(placeholder.encode(), name)


def files_of(raw: bytes) -> list[str]:
    return sorted(read("m.zip", raw, most_bytes=100_000).files)


@pytest.mark.requirement("GW-01")
@pytest.mark.parametrize("written", ["声明.pdf", "e\u0301té.pdf", "茅台.pdf"])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_names_without_the_flag_are_read_in_the_encoding_by_which_the_message_names_them(written: str, encoding: str):
    named = message(f'<Attachments><Attachment file="{written}" category="1"/></Attachments>')
    name = written.encode(encoding)
    raw = raw_named(zipped(("m.xml", named), ("x" * len(name), b"%PDF")), "x" * len(name), name)

    assert files_of(raw) == [written]


@pytest.mark.requirement("GW-01")
@pytest.mark.parametrize(("form", "other"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_that_differ_by_normal_form_alone_are_the_same(form: str, other: str):
    name = "Réf がん.pdf"
    named = message(f'<Attachments><Attachment file="{unicodedata.normalize(form, name)}" category="1"/></Attachments>')

    assert files_of(zipped(("m.xml", named), (unicodedata.normalize(other, name), b"x"))) == [unicodedata.normalize(form, name)]


def test_two_files_whose_names_differ_by_normal_form_alone_are_refused_in_plain_words():
    both = [(unicodedata.normalize(form, "é.pdf"), b"x") for form in ("NFC", "NFD")]
    (fault,) = refused(zipped(("m.xml", message()), *both))

    assert (fault.code, "写法" in fault.zh, "look alike" in fault.en) == ("GW-Z09", True, True)


JUNK = ["__MACOSX/._m.xml", "__MACOSX/声/._a.pdf", ".DS_Store", "Thumbs.db", "desktop.ini", "._m.xml"]


@pytest.mark.requirement("GW-01")
def test_what_a_mac_or_windows_adds_is_left_out():
    raw = zipped(("m.xml", message(NAMED)), ("声明.pdf", b"1"), ("__MACOSX/", b""), *((name, b"x") for name in JUNK))

    assert files_of(raw) == ["声明.pdf"]


@pytest.mark.requirement("GW-01")
@pytest.mark.parametrize("folder", ["合同/", "2026/11/合同/"])
def test_a_folder_that_was_zipped_is_read_as_what_lies_in_it(folder: str):
    around = [(folder, b""), ("__MACOSX/" + folder + "._声明.pdf", b"x"), (folder + ".DS_Store", b"x")]
    raw = zipped(*around, (folder + "m.xml", message(NAMED)), (folder + "声明.pdf", b"1"))

    assert files_of(raw) == ["声明.pdf"]
    flat = zipped(("m.xml", message(NAMED)), ("声明.pdf", b"1"))
    assert read("m.zip", raw, most_bytes=10_000).items[0].sha256 == read("m.zip", flat, most_bytes=10_000).items[0].sha256
    batch = b'<Batch reference="b">' + message(NAMED) + b"</Batch>"
    assert files_of(zipped((folder + "m.xml", batch), (folder + "r/声明.pdf", b"1"))) == ["r/声明.pdf"]


@pytest.mark.parametrize("system", [0, 10, 11, 14], ids=["DOS", "NTFS", "NTFS by its other number", "VFAT"])
def test_a_folder_made_by_windows_may_write_its_own_separator(system: int):
    def entry(name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name)
        info.create_system = system
        return info

    assert files_of(zipped((entry("合同\\m.xml"), message(NAMED)), (entry("合同\\声明.pdf"), b"1"))) == ["声明.pdf"]


def test_a_name_in_unicode_beside_an_old_one_counts():
    old = b"_____.pdf"
    info = zipfile.ZipInfo(old.decode())
    extra = struct.pack("<BL", 1, zlib.crc32(b"\x81____.pdf")) + "声明.pdf".encode()
    info.extra = struct.pack("<HH", 0x7075, len(extra)) + extra
    raw = zipped(("m.xml", message(NAMED)), (info, b"1")).replace(old, b"\x81____.pdf")

    assert files_of(raw) == ["声明.pdf"]


def test_a_folder_beside_the_message_is_not_guessed_at():
    (fault,) = refused(zipped(("m.xml", message(NAMED)), ("附件/声明.pdf", b"x")))

    assert (fault.code, "同一层" in fault.zh) == ("GW-Z06", True)
    assert codes(zipped(("a/m.xml", message()), ("b/n.xml", message()))) == ["GW-Z02"]


def test_a_name_that_differs_by_case_is_hinted_at():
    fault = refused(zipped(("m.xml", message(NAMED)), ("声明.PDF", b"x")))[0]

    assert (fault.code, fault.zh.endswith("→ 声明.PDF ?")) == ("GW-E01", True)


def test_names_from_the_folder_itself_are_those_without_it():
    assert files_of(zipped(("./", b""), ("./m.xml", message(NAMED)), ("./声明.pdf", b"1"))) == ["声明.pdf"]
    assert codes(zipped(("./../m.xml", message()))) == ["GW-Z06"]


@pytest.mark.parametrize("before", [b"", b"#!/bin/sh\n"], ids=["plain", "behind something else"])
def test_names_that_are_flagged_as_utf8_and_are_not_are_read_as_they_are(before: bytes):
    named = message(NAMED.replace("声明.pdf", "声明____.pdf"))
    raw = zipped(("m.xml", named), ("名_____.pdf", b"%PDF")).replace("名_".encode(), "声明".encode("gb18030"))

    assert files_of(before + raw) == ["声明____.pdf"]


def test_a_name_with_a_line_break_is_told_on_one_line():
    (fault,) = refused(zipped(("m.xml", message()), ("a\nb.pdf", b"x")))

    assert ("a⟨U+000A⟩b.pdf" in fault.zh, "\n" in fault.zh + fault.en) == (True, False)


@pytest.mark.parametrize("letter", ["\u200b", "\ufe0f", "\U000e0041", "\ufff9", "\u202e", "\u2066", "\x85"])
def test_an_attachment_is_called_by_letters_that_are_seen(letter: str):
    name = f"a{letter}.pdf"
    said = message(f'<Attachments><Attachment file="{name}" category="1"/></Attachments>')

    assert "GW-E15" in codes(zipped(("m.xml", said), (name, b"%PDF")))
