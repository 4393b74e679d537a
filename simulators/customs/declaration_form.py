"""Read a declaration that cites licences from JSON; every fault of its form is told with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import orjson

from tongguan.simulators.server.office import Fault

_DIRECTIONS = {"import": "1", "export": "0"}  #: with the ninth digit of the entry number
_QUANTITY = r"\d{1,13}(\.\d{1,5})?"
_HEAD = {
    "entry": r"\d{18}",
    "direction": "import|export",
    "date": r"\d{4}-\d\d-\d\d",
    "port": r"\d{4}",
    "trade_mode": r"[0-9A-Z]{0,4}",
    "trade_country": r"[0-9A-Z]{0,3}",
    "bill_no": r".{0,64}",
    "district": r".{0,32}",
    "contract_no": r".{0,64}",
    "packages": r"\d{0,9}",
}
_LINE = {
    "line": r"[1-9]\d{0,2}",
    "code": r"\d{8,10}",
    "name": r".{0,255}",
    "model": r".{0,255}",
    "unit": r"[0-9A-Za-z]{1,3}",
    "quantity": _QUANTITY,
    "price": r"(\d{1,15}(\.\d{1,6})?)?",
    "currency": r"[0-9A-Z]{0,3}",
}
_CITED = {"code": r"[0-9A-Za-z]{1,3}", "number": r".{1,64}"}


@dataclass(frozen=True)
class Cited:
    """A licence as a declaration names it."""

    code: str
    number: str


@dataclass(frozen=True)
class Company:
    """Who imports, exports or owns, by any of its codes."""

    codes: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Goods:
    """One goods line."""

    line: int
    code: str
    name: str
    model: str
    unit: str
    quantity: Decimal
    price: str
    currency: str
    licence: Cited | None


@dataclass(frozen=True)
class Declaration:
    """A declaration, its form checked. ``licences`` are those cited for all lines."""

    entry: str
    direction: str
    date: str
    port: str
    trade_mode: str
    trader: Company
    owner: Company
    trade_country: str
    bill_no: str
    district: str
    contract_no: str
    packages: str
    licences: tuple[Cited, ...]
    goods: tuple[Goods, ...]


class NotADeclaration(Exception):
    """It is no declaration; every fault found is listed."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.text}" for fault in faults))
        self.faults = faults


def read_declaration(given: object) -> Declaration:
    """Read what came as JSON. Raises Unreadable."""
    reader = _Reader()
    head = reader.texts(given, "", _HEAD, inner=("trader", "owner", "licences", "goods"))
    raw: Mapping[str, Any] = given if isinstance(given, dict) else {}
    licences = [reader.cited(row, f"licences/{n}") for n, row in reader.rows(raw, "licences")]
    goods = [reader.goods(row, f"goods/{n}") for n, row in reader.rows(raw, "goods")]
    trader, owner = (reader.company(raw.get(name, {}), name) for name in ("trader", "owner"))
    if not goods:
        reader.complain("goods", "商品必填")
    if len({line.get("line") for line, _ in goods}) != len(goods):
        reader.complain("goods", "商品序号重复")
    reader.check_entry(head)
    if reader.faults:
        raise NotADeclaration(reader.faults)
    return Declaration(
        **head,
        trader=trader,
        owner=owner,
        licences=tuple(Cited(**one) for one in licences),
        goods=tuple(_goods(line, cited) for line, cited in goods),
    )


def as_kept(declaration: Declaration) -> dict[str, Any]:
    """Give a declaration as the ledger keeps it: every amount a text."""
    kept: dict[str, Any] = orjson.loads(orjson.dumps(asdict(declaration), default=str))
    return kept


def _goods(line: dict[str, str], cited: dict[str, str] | None) -> Goods:
    return Goods(
        line=int(line["line"]),
        code=line["code"],
        name=line["name"],
        model=line["model"],
        unit=line["unit"],
        quantity=Decimal(line["quantity"]),
        price=line["price"],
        currency=line["currency"],
        licence=Cited(**cited) if cited else None,
    )


class _Reader:
    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def complain(self, path: str, text: str) -> None:
        self.faults.append(Fault("DCL-01", path, text))

    def texts(self, given: object, path: str, wanted: Mapping[str, str], inner: tuple[str, ...] = ()) -> dict[str, str]:
        """Take the texts that an object should have; numbers count as texts, an absent key as the empty text."""
        if not isinstance(given, dict):
            self.complain(path, "应为 JSON 对象")
            return {}
        for key in sorted(set(given) - set(wanted) - set(inner)):
            self.complain(f"{path}/{key}".strip("/"), "没有这一栏")
        found = {}
        for key, pattern in wanted.items():
            value = given.get(key, "")
            found[key] = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else "?!"
            if not re.fullmatch(pattern, found[key]):
                self.complain(f"{path}/{key}".strip("/"), f"{key} 不正确: {value!r}"[:200])
        return found

    def rows(self, given: Mapping[str, Any], key: str) -> list[tuple[int, Any]]:
        """Number the objects of a list from 1."""
        rows = given.get(key, [])
        if not isinstance(rows, list):
            self.complain(key, "应为列表")
            return []
        return list(enumerate(rows, 1))

    def cited(self, given: object, path: str) -> dict[str, str]:
        return self.texts(given, path, _CITED)

    def goods(self, given: object, path: str) -> tuple[dict[str, str], dict[str, str] | None]:
        line = self.texts(given, path, _LINE, inner=("licence",))
        if line and re.fullmatch(_QUANTITY, line["quantity"]) and not Decimal(line["quantity"]):
            self.complain(f"{path}/quantity", "数量应大于零")
        licence = given.get("licence") if isinstance(given, dict) else None
        return line, None if licence is None else self.cited(licence, f"{path}/licence")

    def company(self, given: object, path: str) -> Company:
        codes = given.get("codes", []) if isinstance(given, dict) else []
        name = given.get("name", "") if isinstance(given, dict) else None
        if not isinstance(name, str) or not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            self.complain(path, "应为 {codes: [...], name: ...}")
            return Company((), "")
        return Company(tuple(codes), name[:255])

    def check_entry(self, head: Mapping[str, str]) -> None:
        """Check what the number itself says, and the day."""
        digit = _DIRECTIONS.get(head.get("direction", ""))
        if digit and re.fullmatch(_HEAD["entry"], head["entry"]) and head["entry"][8] != digit:
            self.complain("entry", f"报关单号第 9 位应为 {digit}（{head['direction']}）")
        try:
            date.fromisoformat(head.get("date", ""))
        except ValueError:
            self.complain("date", "日期不正确")
