"""What is wrong with the text of `tongguan.toml` before anybody asks what it means: letters that are not what they seem.

Promises: each is told with its place, and by its name, for nobody sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tongguan.gateway.model.characters import OddCharacter, strange, unprintable
from tongguan.gateway.model.errors import in_both

#: parts of the settings whose texts name something: no blank belongs before or behind them
_NAMES = ("account", "route", "broker", "database", "gateway")
_AT = re.compile(r"\(at line ([0-9]+), column ([0-9]+)\)$|\(at end of document\)$")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
#: what the parser of TOML finds, in Chinese; what is not here is told as it says it
_FINDINGS = (
    ("Cannot overwrite a value", "键重复"),
    ("Cannot declare", "表重复"),
    ("Cannot mutate immutable", "键或表重复"),
    ("Invalid statement", "此处不是键，也不是 [表]"),
    ("Invalid initial character for a key part", "此处应为键"),
    ("Invalid value", "值不正确（文字写在半角引号内）"),
    ("Expected '=' after a key", "键之后应为半角等号 ="),
    ("Expected ']", "缺少半角 ]"),
    ("Expected newline or end of document", "一行只能有一个键和值"),
    ("Unclosed array", "列表缺少 ]"),
    ("Unclosed inline table", "表缺少 }"),
    ("Unterminated string", "文字缺少结束的引号"),
    ("Illegal character", "此处的字符不能用"),
    ("Found invalid character", "此处的字符不能用"),
    ("Unescaped '\\\\'", "文字里的 \\ 应写作 \\\\（或用单引号）"),
)


def odd_values(given: Any, place: tuple[str, ...] = ()) -> Iterator[str]:
    """What is wrong with texts of the settings, in both languages, each with its key."""
    if isinstance(given, dict):
        for name, value in given.items():
            yield from odd_values(value, (*place, str(name)))
    elif isinstance(given, list):
        for n, value in enumerate(given):
            yield from odd_values(value, (*place, str(n)))
    elif isinstance(given, str):
        key = ".".join(place)
        odd = _odd(given, is_title=place[-1:] == ("title",))
        if odd is None and "run" not in place and (found := _CONTROL.search(given)):  # a program may be given any word
            odd = OddCharacter("hidden", found.start() + 1, found[0])
        if odd is not None:
            zh, en = odd.what
            yield in_both(
                f"{key}：第 {odd.at} 个字符是 {zh}，请删去或重写",
                f"{key}: character {odd.at} is {en}: take it out, or write it anew",
            )
        elif given != given.strip() and place[:1] and place[0] in _NAMES:
            yield in_both(f"{key}：首尾有空格，请删去", f"{key} begins or ends with a blank: take it out")


def _odd(text: str, *, is_title: bool) -> OddCharacter | None:
    """The first letter that nobody sees or that turns the others round; of a title, which authorities read, also what was lost."""
    kinds = ("hidden", "turning", "lost") if is_title else ("hidden", "turning")
    return next((one for one in strange(text) if one.kind in kinds and not "\ue000" <= one.letters[0] <= "\uf8ff"), None)


def what_is_no_toml(text: str, said: str) -> tuple[str, str]:
    """Why a text is no TOML, in Chinese and English; a letter that only looks like one that TOML knows is named."""
    at = _AT.search(said)
    zh = next(
        (chinese for found, chinese in _FINDINGS if said.startswith(found)), said.removesuffix(at[0]).strip() if at else said
    )
    if at is None:
        return zh, said
    if at[1] is None:
        return f"{zh}（文件末尾）", said
    line, column = int(at[1]), int(at[2])
    zh = f"{zh}（第 {line} 行第 {column} 列）"
    odd = _letter_at(text, line, column)
    if odd is None:
        return zh, said
    named_zh, named_en = odd
    return (
        f"{zh}：那里有 {named_zh}，引号之外只能用半角字符",
        f"{said}: there is {named_en}; outside of quotes TOML knows plain characters alone",
    )


def _letter_at(text: str, line: int, column: int) -> tuple[str, str] | None:
    lines = text.split("\n")
    letter = lines[line - 1][column - 1 : column] if line <= len(lines) else ""
    if not letter or (letter.isascii() and letter.isprintable()):
        return None
    if (odd := next(iter(strange(letter)), None) or unprintable(letter)) is not None:
        return odd.what
    return f"“{letter}”（U+{ord(letter):04X}）", f"“{letter}” (U+{ord(letter):04X})"
