"""Files of a profile folder, read so that every complaint can name file and line.

Promises: nothing is complained about without its place; what is wrong is collected, so that all of it is told at once.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from datetime import timedelta
from functools import cache, cached_property, lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar, cast, get_origin, get_type_hints

from tongguan.gateway.model.errors import SettingsWrong, TongguanError, each_of, in_both, nearest
from tongguan.gateway.profile.profile import NOTHING, Text
from tongguan.gateway.settings import span
from tongguan.gateway.system.storage import files

T = TypeVar("T")
_ANY: Mapping[str, Collection[str]] = {}
TomlKey = str | int
#: what a word is called that stands in a list of this key; else by the key itself
_MEMBER = {
    "allowed": "status", "at": "operation", "by": "authority", "give_numbers": "number", "one_of": "category",
    "receipts": "receipt code", "required": "filter", "required_at": "operation", "roles": "role", "same": "field",
    "types": "media type", "wait": "status",
}  # fmt: skip
_HEADER = re.compile(r"^\s*\[+\s*([^\]]+?)\s*\]+\s*(?:#.*)?$")


def unknown(what: str, word: str, known: Collection[str], where: str = "") -> tuple[str, str]:
    """That there is no such word, in Chinese and English, with the nearest known one."""
    zh, en = nearest(word, known)
    of = f" of {where}" if where else ""
    return f"{where + ' ' if where else ''}没有{_CALLED.get(what, f' {what} ')} {word!r}{zh}", f"unknown {what}{of} {word!r}{en}"


_CALLED = {
    "authority": "主管部门", "category": "类别", "check": "检查", "code table": "代码表", "column": "列", "dimension": "统计维度",
    "document type": "单证类型", "fact of a licence": "许可证事实", "field": "字段", "key": "键", "media type": "媒体类型",
    "need": "需要的单证", "number": "编号", "operation": "操作", "receipt": "回执", "role": "角色", "source": "来源", "status": "状态", "type": "类型",
}  # fmt: skip


class Complaints:
    """Everything that is wrong with the settings and profiles, with its place, in Chinese and English; told at once by `end`."""

    def __init__(self) -> None:
        self.all: dict[tuple[str, str], None] = {}

    def add(self, place: str, zh: str, en: str) -> None:
        self.all[f"{place}: {zh}", f"{place}: {en}"] = None

    @contextmanager
    def look(self) -> Iterator[None]:
        """What a look finds wrong is told with the rest."""
        try:
            yield
        except SettingsWrong as wrong:
            self.all |= dict.fromkeys(zip_longest(wrong.zh.splitlines(), wrong.en.splitlines(), fillvalue=""))

    def raised(self, place: str, wrong: Exception, before: tuple[str, str] = ("", "")) -> None:
        """What an error says, in both languages where it does."""
        said = (wrong.zh, wrong.en) if isinstance(wrong, TongguanError) else each_of(str(wrong))
        self.add(place, f"{before[0]}{said[0]}", f"{before[1]}{said[1]}")

    def unknown(self, place: str, what: str, word: str, known: Collection[str], where: str = "") -> None:
        self.add(place, *unknown(what, word, known, where))

    def end(self) -> None:
        """Raise SettingsWrong with every complaint, a line each, if there was any."""
        if self.all:
            raise SettingsWrong(*map("\n".join, zip(*self.all, strict=True)))


@lru_cache(maxsize=8)
def _parsed(text: str) -> dict[str, Any]:
    """A form's files are read once for each of its types, and parsed once."""
    return tomllib.loads(text)


class TomlFile:
    """A parsed TOML file that can find the line of a key; empty, with a complaint, when it cannot be parsed."""

    def __init__(self, path: Path, complaints: Complaints) -> None:
        self.path = path
        self.complaints = complaints
        self.given: dict[str, Any] = {}
        self._form: TomlFile | None = None
        self._origins: dict[tuple[TomlKey, ...], tuple[TomlFile, int]] = {}
        try:
            self.text = files.plain(path).read_text("utf-8")
            self.given = _parsed(self.text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as wrong:
            self.text = ""
            line = re.search(r"line (\d+)", str(wrong))
            complaints.raised(f"{path}:{line[1] if line else 1}", wrong, ("读不出：", ""))

    def over(self, form: TomlFile) -> None:
        """Lay this file over its form's: tables key by key, `[[receipt]]` by code; places stay those of the file that says it."""
        self._form = form
        own, below = self.given.get("receipt", []), form.given.get("receipt", [])
        self.given = _laid_over(form.given, self.given)
        if isinstance(own, list) and isinstance(below, list) and all(isinstance(row, dict) for row in (*own, *below)):
            rows = {row.get("code"): (form, n, row) for n, row in enumerate(below)}
            rows.update({row.get("code"): (self, n, row) for n, row in enumerate(own)})
            self._origins = {("receipt", at): (file, n) for at, (file, n, _) in enumerate(rows.values())}
            self.given["receipt"] = [row for _, _, row in rows.values()]

    def beside(self, name: str) -> Path | None:
        """A file in this one's folder, else in its form's; None when there is none."""
        folders = [file.path.parent for file in (self, self._form) if file is not None]
        return next((folder / name for folder in folders if name and (folder / name).is_file()), None)

    def place(self, *keys: TomlKey) -> str:
        if keys[:2] in self._origins:
            file, n = self._origins[keys[:2]]
            return f"{file.path}:{file._line((keys[0], n, *keys[2:])) or 1}"
        line = self._line(keys)
        return self._form.place(*keys) if line is None and self._form is not None else f"{self.path}:{line or 1}"

    @cached_property
    def _lines(self) -> tuple[list[str], dict[str, list[int]]]:
        """The lines, and at which of them the tables of each name begin."""
        lines, headers = self.text.splitlines(), dict[str, list[int]]()
        for n, found in _headers(lines):
            headers.setdefault(".".join(p.strip(" \"'") for p in found[1].split(".")), []).append(n)
        return lines, headers

    def _line(self, keys: Sequence[TomlKey]) -> int | None:
        lines, headers = self._lines
        for depth in range(len(keys), 0, -1):
            name = ".".join(str(k) for k in keys[:depth] if isinstance(k, str))
            nth = next((k for k in reversed(keys[:depth]) if isinstance(k, int)), 0)
            hits = headers.get(name, [])
            if nth < len(hits):
                return _key_line(lines, hits[nth], keys[depth:]) or hits[nth]
        return _key_line(lines, 0, keys)

    def part(self, *keys: TomlKey) -> TomlTable:
        """The table at `keys` (the whole file without), for taking keys out one by one."""
        given: Any = self.given
        for key in keys:
            given = given[key]
        return TomlTable(given, self, keys)


def _laid_over(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{key: _laid_over(below.get(key), value) for key, value in above.items()}}


def _headers(lines: Sequence[str]) -> Iterator[tuple[int, re.Match[str]]]:
    for n, line in enumerate(lines, 1):
        if found := _HEADER.match(line):
            yield n, found


def _key_line(lines: Sequence[str], start: int, keys: Sequence[TomlKey]) -> int | None:
    words = [k for k in keys if isinstance(k, str)]
    if not words:
        return None
    key = re.compile(rf"""^\s*["']?{re.escape(words[0])}["']?\s*[=.]""")
    for n in range(start, len(lines)):
        if key.match(lines[n]):
            return n + 1
        if _HEADER.match(lines[n]):
            return None
    return None


class TomlTable:
    """One TOML table: `take` each known key, then `rest_is_unknown`."""

    def __init__(self, given: Any, file: TomlFile, keys: Sequence[TomlKey]) -> None:
        self.file, self.keys = file, tuple(keys)
        self.known: list[str] = []
        self.given: dict[str, Any] = given if isinstance(given, dict) else {}
        if not isinstance(given, dict):
            name = ".".join(map(str, keys))
            file.complaints.add(file.place(*keys), f"{name} 应为表", f"{name} must be a table")

    def place(self, *keys: TomlKey) -> str:
        return self.file.place(*self.keys, *keys)

    def complain(self, key: str, zh: str, en: str) -> None:
        self.file.complaints.add(self.place(key), zh, en)

    def take(self, key: str, read: Callable[[Any], T], otherwise: T) -> T:
        """The key's value as `read` understands it; `otherwise` when it is absent or wrong."""
        self.known.append(key)
        if key not in self.given:
            return otherwise
        try:
            return read(self.given[key])
        except (ValueError, TypeError, KeyError) as wrong:
            self.file.complaints.raised(self.place(key), wrong, (f"{key}: ", f"{key}: "))
            return otherwise

    def need(self, key: str, read: Callable[[Any], T], otherwise: T) -> T:
        if key not in self.given:
            self.complain(key, f"缺少 {key}", f"{key} is missing")
        return self.take(key, read, otherwise)

    def made(self, kind: type[T], words: Mapping[str, Collection[str]] = _ANY, needs: Collection[str] = (), /, **given: Any) -> T:
        """The table as a dataclass: whatever is not `given` is the key of the field's name, read as the field's type says.

        `needs` must be there; what is absent is the field's default, else empty. A text of `words`, or each of a list, must be one of
        them. Every key that nobody has taken by then is unknown.
        """
        for name, key, hint, form, otherwise in _fields(cast(Any, kind)):
            if name in given:
                continue
            value = (self.need if key in needs else self.take)(key, _READ[hint], otherwise)
            if key in words:
                self._among(key, (value,) if isinstance(value, str) and value else value, words[key])
            given[name] = form(value) if form in (tuple, frozenset) else value
        self.rest_is_unknown()
        return kind(**given)

    def _among(self, key: str, said: Collection[str], words: Collection[str]) -> None:
        for word in said:
            if word not in words:
                self.file.complaints.unknown(self.place(key), _MEMBER.get(key, key), word, words)

    def parts(self, key: str) -> dict[str, TomlTable]:
        """The tables under a key by their names."""
        return {name: self.file.part(*self.keys, key, name) for name in self.take(key, table_of, dict[str, Any]())}

    def rows(self, key: str) -> list[TomlTable]:
        """The tables of a list."""
        return [self.file.part(*self.keys, key, n) for n, _ in enumerate(self.take(key, tables_of, list[Any]()))]

    def one_of(self, key: str, words: Collection[str], otherwise: str) -> str:
        value = self.take(key, text, otherwise)
        self._among(key, (value,) if value else (), words)
        return value

    def rest_is_unknown(self) -> None:
        for key in self.given:
            if key not in self.known:
                self.file.complaints.unknown(self.place(key), "key", key, self.known)


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(in_both(f"{value!r} 不是文字", f"{value!r} is no text"))
    return value


def texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(in_both(f"{value!r} 不是列表", f"{value!r} is no list"))
    return tuple(text(v) for v in value)


def whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(in_both(f"{value!r} 不是整数", f"{value!r} is no whole number"))
    return value


def truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(in_both(f"{value!r} 不是 true 或 false", f"{value!r} is neither true nor false"))
    return value


def both(value: Any) -> Text:
    """`{ zh = "…", en = "…" }`."""
    if not isinstance(value, dict) or set(value) != {"zh", "en"}:
        raise ValueError(in_both('应为 { zh = "…", en = "…" }', 'must be { zh = "…", en = "…" }'))
    return Text(text(value["zh"]), text(value["en"]))


def words_of(value: Any) -> dict[str, str]:
    return {k: text(v) for k, v in table_of(value).items()}


def table_of(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(in_both(f"{value!r} 不是表", f"{value!r} is no table"))
    return value


def tables_of(value: Any) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
        raise TypeError(in_both(f"{value!r} 不是表的列表", f"{value!r} is no list of tables"))
    return value


def lines_of(value: Any) -> list[list[Any]]:
    if not isinstance(value, list):
        raise TypeError(in_both(f"{value!r} 不是列表", f"{value!r} is no list"))
    return [tables_of(line) for line in value]


_READ: Mapping[Any, Callable[[Any], Any]] = {
    str: text,
    bool: truth,
    int: whole,
    timedelta: span,
    Text: both,
    tuple[str, ...]: texts,
    frozenset[str]: texts,
    Mapping[str, str]: words_of,
    Mapping[str, Any]: table_of,
    Mapping[str, tuple[str, ...]]: lambda value: {name: texts(words) for name, words in table_of(value).items()},
    tuple[Mapping[str, Any], ...]: tables_of,
}
_EMPTY: Mapping[Any, Any] = {str: "", bool: False, Text: NOTHING, tuple: (), frozenset: (), Mapping: {}}


@cache
def _fields(kind: type) -> tuple[tuple[str, str, Any, Any, Any], ...]:
    """Each field of a dataclass: name, key in the file, type, what the type is a form of, and what it is where nothing is said."""
    hints, found = get_type_hints(kind), []
    for field in fields(kind):
        hint = hints[field.name]
        form = get_origin(hint)
        otherwise = _EMPTY.get(form or hint) if field.default is MISSING else field.default
        found.append((field.name, field.name.rstrip("_"), hint, form, otherwise))
    return tuple(found)


def read_csv(path: Path, complaints: Complaints, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row; a wrong header or row is complained about and left out.

    The header must begin with `columns`; what follows them is the file's own.
    """
    try:
        content = files.plain(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as wrong:
        complaints.raised(f"{path}:1", wrong, ("读不出：", ""))
        return
    rows = csv.reader(content.splitlines(), strict=True)
    try:
        header = next(rows, [])
        if header[: len(columns)] != list(columns):
            begin = ",".join(columns)
            complaints.add(f"{path}:1", f"表头应以 {begin} 开始", f"the header must begin with {begin}")
            return
        for row in rows:
            if len(row) == len(header):
                yield rows.line_num, dict(zip(header, map(str.strip, row), strict=True))
            elif row:
                has, wanted = len(row), len(header)
                complaints.add(
                    f"{path}:{rows.line_num}", f"有 {has} 格，应为 {wanted} 格", f"has {has} cells instead of {wanted}"
                )
    except csv.Error as wrong:
        complaints.raised(f"{path}:{rows.line_num}", wrong, ("不是正确的 CSV：", ""))
