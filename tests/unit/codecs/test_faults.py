"""Every fault of reading and checking has its texts, in both languages, with the same blanks."""

from __future__ import annotations

import re
import string
from pathlib import Path

from tongguan.codecs.reading import faults
from tongguan.codecs.reading.faults import TEXTS, fault

FOLDER = Path(faults.__file__).parent
CODE = re.compile(r'"(GW-[A-Z][0-9]{2})"')


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_code_that_is_used_is_in_the_table():
    used = {code for file in FOLDER.glob("*.py") for code in CODE.findall(file.read_text(encoding="utf-8"))}

    assert used <= set(TEXTS)


def test_both_languages_have_the_same_blanks():
    odd = {
        code
        for code, (zh, en) in TEXTS.items()
        if {b.removesuffix("_en") for b in blanks(zh)} != {b.removesuffix("_en") for b in blanks(en)}
    }

    assert odd == set()


def test_an_operation_that_only_a_home_knows_is_told_as_it_is_typed():
    assert "register" in fault("GW-C22", operation="register").zh
    assert "申报" in fault("GW-C22", operation="declare").zh


def test_a_fault_never_carries_a_body():
    made = fault("GW-J04", value="x" * 5000)

    assert len(made.zh) < 200 and len(made.en) < 200


def test_a_text_with_braces_or_lone_halves_is_shown_as_it_is():
    assert "{0}" in fault("GW-J04", value="{0}").en
    assert fault("GW-J04", value="\ud800").en.encode()


def test_codes_of_the_table_are_not_those_of_the_flow_or_the_doors():
    assert not {code for code in TEXTS if code.startswith(("GW-A", "GW-D", "GW-F"))}
