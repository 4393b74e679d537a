from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from homes import begins

from tongguan.gateway.cli.demo.examples import read_examples
from tongguan.gateway.cli.profiles import check
from tongguan.gateway.model.faults import unknown_type
from tongguan.gateway.profile.loading import load_profiles

Tongguan = Callable[..., Any]
PROFILES = Path(str(files("tongguan.gateway"))) / "profiles"
APPLICATIONS = PROFILES / "mofcom/NA.application/examples"
DAY = "2026-11-20"  #: of the examples


@pytest.fixture
def home(home: Path) -> Path:
    """A home in which it is that day."""
    begins(home, DAY)
    return home


def every_good_example() -> list[Any]:
    return read_examples(load_profiles(), DAY)


@pytest.mark.requirement("GW-03")
def test_a_clean_file_ends_with_0(tongguan: Tongguan, home: Path) -> None:
    said = tongguan("check", APPLICATIONS / "ok-declare.xml")

    assert (said.code, said.err) == (0, "")
    assert "没有问题" in said.out


@pytest.mark.parametrize("example", every_good_example(), ids=lambda e: e.name)
def test_every_good_example_is_clean(tongguan: Tongguan, home: Path, tmp_path: Path, example: Any) -> None:
    (tmp_path / example.file).write_bytes(example.content)

    said = tongguan("check", tmp_path / example.file)

    assert (said.code, said.err) == (0, ""), said.out


@pytest.mark.parametrize("word", ["Declare", "DECLARE", "delcare"])
def test_an_operation_that_is_surely_meant_is_named_once(tongguan: Tongguan, home: Path, tmp_path: Path, word: str) -> None:
    text = (APPLICATIONS / "ok-declare.xml").read_text("utf-8")
    (tmp_path / "m.xml").write_text(text.replace('operation="declare"', f'operation="{word}"'), "utf-8")

    (found,) = tongguan("check", tmp_path / "m.xml", "--json").json

    assert [(fault["code"], "→ declare ?" in fault["message"]) for fault in found["faults"]] == [("GW-M06", True)]


def test_an_operation_that_nobody_knows_is_told_once_with_those_of_the_type(
    tongguan: Tongguan, home: Path, tmp_path: Path
) -> None:
    text = (APPLICATIONS / "ok-declare.xml").read_text("utf-8")
    (tmp_path / "m.xml").write_text(text.replace('operation="declare"', 'operation="frobnicate"'), "utf-8")

    (found,) = tongguan("check", tmp_path / "m.xml", "--json").json

    assert [(fault["code"], "declare delete" in fault["message"]) for fault in found["faults"]] == [("GW-F02", True)]
    assert found["faults"][0]["line"] and found["faults"][0]["path"].endswith("/@operation")


@pytest.mark.parametrize("given", ['"type": "", ', '"type": null, ', ""])
def test_a_message_without_a_type_lacks_that_alone_and_no_like_name_is_sought(
    tongguan: Tongguan, home: Path, tmp_path: Path, given: str
) -> None:
    (tmp_path / "m.json").write_text(f'{{{given}"operation": "save", "reference": "r", "body": {{}}}}')

    (found,) = tongguan("check", tmp_path / "m.json", "--json").json

    assert [(fault["code"], fault["path"]) for fault in found["faults"]] == [("GW-M07", "/type")]


@pytest.mark.requirement("GW-03")
def test_faults_end_with_1_and_each_has_code_place_and_text(tongguan: Tongguan, home: Path) -> None:
    said = tongguan("check", APPLICATIONS / "bad-NA-R05.xml", "--json")
    (found,) = said.json
    codes = {fault["code"] for fault in found["faults"]}

    assert (said.code, found["clean"], found["readable"]) == (1, False, True)
    assert {"NA-R05"} == codes
    assert all(fault["path"] and fault["message"] for fault in found["faults"])


def test_the_language_is_the_one_asked_for(tongguan: Tongguan, home: Path) -> None:
    texts = {
        language: tongguan("check", APPLICATIONS / "bad-NA-R05.xml", "--json", "--lang", language).json[0]["faults"][0]["message"]
        for language in ("zh", "en")
    }

    assert texts["en"].isascii()
    assert not texts["zh"].isascii()


@pytest.mark.parametrize("content", [b"", b"<a", b"<!DOCTYPE a><a/>", "<甲/>".encode("gb18030")])
def test_an_unreadable_file_ends_with_2(tongguan: Tongguan, home: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.xml").write_bytes(content)

    said = tongguan("check", tmp_path / "a.xml", "--json")

    assert (said.code, said.json[0]["readable"]) == (2, False)


def test_a_file_that_is_not_there_ends_with_2(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    assert tongguan("check", tmp_path / "none.xml").code == 2


def test_a_missing_attachment_is_a_fault_of_a_readable_file(tongguan: Tongguan, home: Path) -> None:
    said = tongguan("check", APPLICATIONS / "ok-declare-attachments/message.xml", "--json")

    assert (said.code, [fault["code"] for fault in said.json[0]["faults"]]) == (1, ["GW-E01"])


def test_the_worst_file_decides_the_exit_code(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(b"<a")

    said = tongguan("check", APPLICATIONS / "ok-declare.xml", tmp_path / "a.xml", APPLICATIONS / "bad-NA-R05.xml", "--json")

    assert (said.code, [found["clean"] for found in said.json]) == (2, [True, False, False])


def test_an_unknown_account_is_told_with_the_known_ones(tongguan: Tongguan, home: Path) -> None:
    said = tongguan("check", APPLICATIONS / "ok-declare.xml", "--account", "nobody")

    assert said.code == 2
    assert "demo" in said.err


def test_nothing_is_written(tongguan: Tongguan, home: Path) -> None:
    before = sorted(home.rglob("*"))

    tongguan("check", APPLICATIONS / "ok-declare.xml")

    assert before == sorted(home.rglob("*"))


def test_a_row_of_the_overview_is_told_as_the_type_that_carries_it(tmp_path: Path) -> None:
    faults = [unknown_type(name, {"AA.application": 1, "BB.09": 9}) for name in ("LR.01", "BB.9x", "ZZ")]

    assert [f.text("en").rpartition(": ")[2] for f in faults] == ["AA.application", "BB.09", "-"]


@pytest.mark.requirement("GW-03")
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_relative_namespace_is_a_fault_with_its_place(tongguan: Tongguan, home: Path, tmp_path: Path, language: str) -> None:
    raw = (
        (APPLICATIONS / "ok-declare.xml")
        .read_bytes()
        .replace(b"</NA.application>", b'<x:N xmlns:x="sub/page"/></NA.application>')
    )
    (tmp_path / "a.xml").write_bytes(raw)

    said = tongguan("check", tmp_path / "a.xml", "--json", "--lang", language)

    assert (said.code, said.err) == (2, "")
    fault = said.json[0]["faults"][0]
    assert (fault["code"], fault["line"]) == ("GW-X11", raw.count(b"\n", 0, raw.index(b"<x:N")) + 1)
    assert "sub/page" in fault["message"]


def test_a_mistake_of_the_gateway_itself_ends_in_words_and_the_other_files_are_looked_into(
    tongguan: Tongguan, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(name: str, raw: bytes, **more: Any) -> Any:
        if name == "bad.xml":
            raise RecursionError("deep \ud800")
        return real(name, raw, **more)

    real = check.read
    monkeypatch.setattr(check, "read", read)
    (tmp_path / "bad.xml").write_bytes(b"<a/>")

    said = tongguan("check", tmp_path / "bad.xml", APPLICATIONS / "ok-declare.xml", "--json")

    assert (said.code, said.err) == (2, "")
    assert [found["clean"] for found in said.json] == [False, True]
    assert "RecursionError" in said.json[0]["faults"][0]["message"]


@pytest.mark.parametrize(
    "name", [b"a\x01\x1b[31m.xml", b"\xff\xfe.xml", "a\ufffe\uffff.json".encode(), "报文\n.zip".encode(), b"\x8130.txt"]
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_name_of_a_file_ends_it_in_a_traceback(
    tongguan: Tongguan, home: Path, tmp_path: Path, name: bytes, form: tuple[str, ...]
) -> None:
    path = os.fsdecode(os.path.join(os.fsencode(tmp_path), name))
    Path(path).write_bytes(b"<a/>")

    said = tongguan("check", path, *form)

    assert (said.code, said.err) == (2, "")
    assert "\x01" not in said.out and "\x1b" not in said.out


def test_a_file_without_end_is_read_no_further_than_the_largest(tongguan: Tongguan, home: Path) -> None:
    said = tongguan("check", "/dev/zero", "--json")

    assert (said.code, said.json[0]["faults"][0]["code"]) == (2, "GW-D02")


def test_a_folder_is_no_file(tongguan: Tongguan, home: Path) -> None:
    assert tongguan("check", home).code == 2


def test_a_terminal_that_knows_no_chinese_is_told_all_the_same(home: Path, tmp_path: Path) -> None:
    (tmp_path / "报文.xml").write_bytes(b"<a/>")
    words = [sys.executable, "-m", "tongguan.gateway.cli", "check", str(tmp_path / "报文.xml"), "--home", str(home)]

    said = subprocess.run(words, check=False, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True)

    assert (said.returncode, said.stderr) == (2, "")
    assert "GW-M18" in said.stdout and said.stdout.isascii()
