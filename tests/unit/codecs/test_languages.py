"""A Chinese reader is told in Chinese, an English one in English: no words of the one stand in the other's texts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tongguan.codecs.reading import faults as of_reading
from tongguan.gateway.model import faults as of_flow
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import OPERATIONS, Text

HAN = re.compile(r"[\u3400-\u9fff\uff0c\u3002\uff1b]")
LATIN = re.compile(r"[A-Za-z]{3,}")
#: words that a sender reads in the file itself, types at a shell, or knows by these letters alone
KNOWN = {
    *("XML", "JSON", "ZIP", "UTF", "DTD", "URI", "GB", "PDF", "GBK", "InBox", "OutBox", "true", "false", "file", "env", "secrets", "route"),
    *("TONGGUAN", "SECRET", "tongguan", "tables", "import", "document", "number", "page", "size", "check", "acts", "for", "encrypt", "xml", "json"),
    *("zip", "secrets_to", "encrypt_to", "acts_for", "card", "bind", "Unicode", "xlsx", "csv", "txt", "account", "powers", "until", "FILE"),
}  # fmt: skip


def said() -> Iterator[tuple[str, str, str]]:
    """Every text that a reader is told, in both languages, without its blanks."""
    tables = {**of_reading.TEXTS, **of_flow.TEXTS}
    for code, (zh, en) in tables.items():
        yield code, re.sub(r"\{[^}]*\}", "", zh), re.sub(r"\{[^}]*\}", "", en)


def of_profiles() -> Iterator[tuple[str, Text]]:
    for profile in load_profiles().values():
        yield profile.type, profile.title
        yield from (
            (f"{profile.type} {status.name}", text)
            for status in profile.statuses.values()
            for text in (status.text, status.list_text)
        )
        yield from ((f"{profile.type} {rule.code}", rule.text) for rule in profile.receipts.values())
        yield from ((rule.id, rule.says) for rule in profile.rules)
        for query in profile.queries.values():
            yield from ((f"{profile.type} {query.kind} {column.name}", column.label) for column in query.columns)
            yield from ((f"{profile.type} {query.kind}", word) for column in query.columns for word in column.words.values())


@pytest.mark.requirement("GW-03")
def test_no_latin_word_stands_in_a_chinese_fault_and_no_han_in_an_english_one() -> None:
    latin = {code: words for code, zh, _ in said() if (words := [w for w in LATIN.findall(zh) if w not in KNOWN])}
    han = {code for code, _, en in said() if HAN.search(en)}

    assert (latin, han) == ({}, set())


def test_nor_in_what_the_document_types_say() -> None:
    every = list(of_profiles())

    assert {where for where, text in every if HAN.search(text.en)} == set()
    latin = {text.zh for _, text in every if text.zh and not HAN.search(text.zh)} - {"SHA-256"}
    assert latin == set()


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_called_by_its_chinese_name_in_a_sentence(name: str) -> None:
    told = of_flow.fault("GW-F05", status=("暂存", "draft"), operation=name, allowed=("-", "-"))

    assert name in told.en and LATIN.search(told.zh.replace("GW", "")) is None
