"""Check what a declaration cites against the licences that customs keeps (联网核查), and say what it takes from each.

Everything that is wrong is told at once. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tongguan.simulators.customs.declaration_form import Cited, Declaration, Goods
from tongguan.simulators.customs.ledger import Ledger, Line, Permit, Use, left, written
from tongguan.simulators.customs.permits import codes_like
from tongguan.simulators.server.office import Fault
from tongguan.simulators.settings import Settings


@dataclass(frozen=True)
class Citation:
    """A licence cited at a place of the declaration, for these goods."""

    path: str
    permit: Permit
    goods: tuple[Goods, ...]


def examined(books: Ledger, settings: Settings, declaration: Declaration) -> tuple[list[Fault], list[Use]]:
    """List what is wrong, and what the declaration would use."""
    faults: list[Fault] = []
    citations: list[Citation] = []
    for path, cited, goods in _cited(declaration):
        permit = books.permit(cited.number)
        if permit is None:
            faults.append(Fault("LIC-11", path, f"没有许可证 {cited.number}"))
            continue
        faults += _unfit(settings, declaration, permit, path)
        if cited.code not in permit.codes:
            faults.append(Fault("LIC-12", path, f"许可证 {cited.number} 的监管证件代码不是 {cited.code}"))
        if goods is None:
            goods = tuple(line for line in declaration.goods if any(one.code in ("", line.code) for one in permit.lines))
            if not goods:
                faults.append(Fault("LIC-21", path, f"许可证 {cited.number} 不含所申报的商品"))
        citations.append(Citation(path, permit, goods))
    uses: list[Use] = []
    for permit in {citation.permit.id: citation.permit for citation in citations}.values():
        own = [citation for citation in citations if citation.permit.id == permit.id]
        wrong, taken = _Taking(books, permit, declaration.entry).take(own)
        faults += wrong
        uses += taken
    return list(dict.fromkeys(faults)), uses


def _cited(declaration: Declaration) -> Iterator[tuple[str, Cited, tuple[Goods, ...] | None]]:
    """List place, licence and goods line; no goods where it is cited at the head."""
    for line in declaration.goods:
        if line.licence is not None:
            yield f"goods/{line.line}/licence", line.licence, (line,)
    for place, cited in enumerate(declaration.licences, 1):
        yield f"licences/{place}", cited, None


def _unfit(settings: Settings, declaration: Declaration, permit: Permit, path: str) -> Iterator[Fault]:
    """Say in what a licence does not fit the declaration's head."""
    number = permit.number
    if permit.direction != declaration.direction:
        yield Fault("LIC-13", path, f"许可证 {number} 不用于{'进口' if declaration.direction == 'import' else '出口'}")
    if not set(codes_like(settings, list(declaration.trader.codes))) & set(permit.traders):
        who = "进口商" if declaration.direction == "import" else "出口商"
        yield Fault("LIC-14", path, f"许可证 {number} 的{who}与报关单不一致")
    if not permit.valid_from <= declaration.date <= permit.valid_until:
        yield Fault(
            "LIC-15", path, f"许可证 {number} 有效期 {permit.valid_from} 至 {permit.valid_until}，{declaration.date} 无效"
        )
    if permit.regions and declaration.port[:2] not in permit.regions:
        yield Fault("LIC-16", path, f"口岸 {declaration.port} 不在许可证 {number} 的报关口岸关区内")


class _Taking:
    """What one declaration takes from one licence; what it took before stands back."""

    def __init__(self, books: Ledger, permit: Permit, entry: str) -> None:
        standing = [(use, one) for use, one in books.uses_of(permit.id) if one.stands and one.number != entry]
        self._permit, self._entry = permit, entry
        self._count = len({one.number for _, one in standing})
        self._closed = any(use.over for use, _ in standing)
        self._before = {line.line: left(line, [use for use, _ in standing]) for line in permit.lines}
        self._left = dict(self._before)
        self._uses: dict[tuple[int, int], Use] = {}

    def take(self, citations: list[Citation]) -> tuple[list[Fault], list[Use]]:
        """Take what the goods lines need, each line once however often it is cited; says what is wrong, and the uses."""
        faults = [fault for fault in [self._used_up(citations[0].path)] if fault]
        beyond: dict[int, tuple[str, Goods, Line, Decimal]] = {}
        for line, path in {line: one.path for one in reversed(citations) for line in one.goods}.items():
            matching = [one for one in self._permit.lines if one.code in ("", line.code)]
            if not matching:
                faults.append(Fault("LIC-17", path, f"商品 {line.code} 不在许可证 {self._permit.number} 上"))
            elif not (same := [one for one in matching if not one.code or one.unit == line.unit]):
                faults.append(Fault("LIC-18", path, f"商品 {line.code} 的单位 {line.unit} 与许可证 {self._permit.number} 不一致"))
            elif wanting := self._fill(line, same):
                beyond[line.line] = (path, line, same[-1], wanting)
        return [*faults, *self._overship(beyond)], list(self._uses.values())

    def _used_up(self, path: str) -> Fault | None:
        number, most = self._permit.number, self._permit.uses
        if self._closed:
            return Fault("LIC-20", path, f"许可证 {number} 已溢装核扣完毕")
        if most and self._count >= most:
            batch = "一批一证，已使用" if self._permit.batch == "one" else f"最多使用 {most} 次，已用完"
            return Fault("LIC-20", path, f"许可证 {number} {batch}")
        return None

    def _fill(self, goods: Goods, lines: list[Line]) -> Decimal:
        """Take from the lines in their order; gives what none of them covers."""
        wanting = goods.quantity
        for line in lines:
            there = self._left[line.line]
            taken = wanting if there is None else min(there, wanting)
            if taken:
                self._uses[goods.line, line.line] = Use(self._entry, goods.line, self._permit.id, line.line, taken)
                self._left[line.line] = None if there is None else there - taken
                wanting -= taken
        return wanting

    def _overship(self, beyond: Mapping[int, tuple[str, Goods, Line, Decimal]]) -> Iterator[Fault]:
        """Allow what goes beyond the lines, or say why not."""
        last = not any(self._left.values()) or (self._permit.uses and self._count + 1 >= self._permit.uses)
        for path, goods, line, wanting in beyond.values():
            alike = [one for one in self._permit.lines if (one.code, one.unit) == (line.code, line.unit)]
            there = sum((self._before[one.line] or Decimal(0) for one in alike), Decimal(0))
            exceeding = sum((more for _, _, one, more in beyond.values() if one is line), Decimal(0))
            if not last or exceeding > there * line.over / 100:
                text = f"许可证 {self._permit.number} 商品 {goods.code} 余量 {written(there)}，不足 {written(goods.quantity)}"
                yield Fault("LIC-19", path, text + ("" if last or not line.over else "；溢装只限最后一次使用"))
                continue
            known = self._uses.get((goods.line, line.line), Use(self._entry, goods.line, self._permit.id, line.line, Decimal(0)))
            self._uses[goods.line, line.line] = Use(
                known.entry, known.place, known.permit, known.line, known.quantity + wanting, wanting
            )
