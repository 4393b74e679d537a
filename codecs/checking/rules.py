"""rules.toml made into closures: which values of a document break a rule, and where they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tongguan.codecs.checking.conditions import Test, compile_test
from tongguan.codecs.checking.field_tree import Contexts, Node, Rows, Trail, at, first, getter, split
from tongguan.codecs.checking.named_checks import CHECKS, OF_DATES, OF_PRESENCE, OF_ROWS, OF_VALUES, OF_YEARS, WHOLE, Getter
from tongguan.gateway.model.errors import TongguanError
from tongguan.gateway.profile.profile import CodeTable, Field, Rule
from tongguan.gateway.profile.source import unknown

FindBroken = Callable[[Contexts], Sequence[Trail]]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with the trails of what breaks it; `reads` are the paths it looks at: a fault of one of them says enough."""

    rule: Rule
    node: Node
    broken: FindBroken
    reads: frozenset[str]


class RuleWrong(TongguanError, ValueError):
    """A rule asks for something that does not exist."""


def compile_rule(rule: Rule, nodes: Mapping[str, Node], code_tables: Mapping[str, CodeTable]) -> CompiledRule:
    """Make a rule of the profile ready to run; raises RuleWrong."""
    if rule.check not in CHECKS:
        raise _wrong(rule, *unknown("check", rule.check, CHECKS))
    if rule.check in OF_ROWS and "[]" not in rule.path:
        raise _wrong(
            rule,
            f"检查 {rule.check} 是对表的行的，而 {rule.path} 不在表中",
            f"check {rule.check} is of rows of a table, and {rule.path} is in none",
        )
    if rule.check in (*OF_VALUES, *OF_DATES) and (rule.path not in nodes or nodes[rule.path].convert is None):
        raise _wrong(rule, *unknown("field", rule.path, nodes))
    if rule.check in OF_DATES and not _is_dated(nodes[rule.path].field, rule.check):
        zh, en = f"检查 {rule.check} 是对日期的，而 {rule.path} 不是", f"check {rule.check} is of dates, and {rule.path} is none"
        raise _wrong(rule, zh, en)
    reads = {rule.path}
    tables = _base(rule, nodes)

    def see(path: str) -> Getter:
        if path not in nodes:
            raise _wrong(rule, *unknown("field", path, nodes))
        reads.add(path)
        return getter(path, tables)

    see(rule.path)
    tests = [compile_test(f"rule {rule.id}", when, see, code_tables) for when in rule.when]
    if any(when.get("present") is False and code_tables[when["table"]].sample for when in rule.when if "table" in when):
        rule = replace(rule, severity="warning")  # what a sample does not have, the whole table may
    broken = _broken(rule, tables, see)
    return CompiledRule(rule, nodes[rule.path], _guarded(broken, tests, tables), frozenset(reads))


def _is_dated(field: Field, check: str) -> bool:
    return field.type in ("date", "datetime") or (check in OF_YEARS and field.pattern.endswith("[0-9]{2}") and field.length == 4)


def _base(rule: Rule, nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """The tables whose rows the rule is asked for one by one; a check of rows sees all rows of the innermost at once."""
    tables = split(rule.path)[0]
    return tables[:-1] if rule.path.endswith("[]") or rule.check in OF_ROWS else tables


FindRows = Callable[[Rows, int], Sequence[Trail]]
"""What breaks a rule in these rows, at this moment."""


def _guarded(found: FindRows, tests: Sequence[Test], tables: tuple[str, ...]) -> FindBroken:
    def of_the_document(contexts: Contexts) -> Sequence[Trail]:
        rows = contexts.top
        for test in tests:
            if not test(rows):
                return ()
        return found(rows, contexts.now)

    def of_rows(contexts: Contexts) -> Sequence[Trail]:
        trails: list[Trail] = []
        for rows, trail in contexts[tables]:
            if all(test(rows) for test in tests):
                trails.extend((*trail, *rest) for rest in found(rows, contexts.now))
        return trails

    return of_rows if tables else of_the_document


def _broken(rule: Rule, tables: tuple[str, ...], see: Callable[[str], Getter]) -> FindRows:
    see(rule.path)
    value_of = first(rule.path, tables)
    own = tuple(split(rule.path)[1]) if not rule.path.endswith("[]") else tuple(split(rule.path)[0][-1].split("/"))
    here: Sequence[Trail] = (own,)
    if rule.check in OF_PRESENCE:
        _arguments(rule, frozenset())
    if rule.check == "required":
        return lambda rows, now: here if value_of(rows) is None else ()
    if rule.check == "absent":
        return lambda rows, now: () if value_of(rows) is None else here
    if rule.check in OF_ROWS:
        return _of_rows(rule, see)
    if rule.check in OF_DATES:
        return _of_dates(rule, value_of, here)
    make, needs = OF_VALUES[rule.check]
    holds = make(_arguments(rule, needs), see)

    def found(rows: Rows, now: int) -> Sequence[Trail]:
        value = value_of(rows)
        return () if value is None or holds(value, rows) else here

    return found


def _of_dates(rule: Rule, value_of: Callable[[Rows], Any], here: Sequence[Trail]) -> FindRows:
    make, needs = OF_DATES[rule.check]
    holds = make(_arguments(rule, needs))

    def found(rows: Rows, now: int) -> Sequence[Trail]:
        value = value_of(rows)
        return () if value is None or holds(value, now) else here

    return found


def _of_rows(rule: Rule, see: Callable[[str], Getter]) -> FindRows:
    look = see(rule.path)
    make, needs = OF_ROWS[rule.check]
    wrongs = make(_arguments(rule, needs), see)
    table = tuple(split(rule.path)[0][-1].split("/"))
    rest = () if rule.path.endswith("[]") else tuple(split(rule.path)[1])
    if not rest:
        return lambda rows, now: [table if n == WHOLE else (*table, n) for n in wrongs(look(rows))]
    all_rows = see("/".join(rule.path.split("/")[: -len(rest)]))

    def found(rows: Rows, now: int) -> Sequence[Trail]:
        wrong = wrongs(look(rows))
        if not wrong:
            return ()
        places = [n for n, row in enumerate(all_rows(rows)) if at(row, rest) is not None]
        return [(*table, places[n], *rest) for n in wrong]

    return found


def _arguments(rule: Rule, needs: frozenset[str]) -> Mapping[str, Any]:
    if set(rule.with_) != needs:
        words = " ".join(sorted(needs))
        raise _wrong(
            rule,
            f"检查 {rule.check} 的 `with` 应有：{words or '无'}",
            f"check {rule.check} takes {words or 'nothing'} in `with`",
        )
    return rule.with_


def _wrong(rule: Rule, zh: str, en: str) -> RuleWrong:
    return RuleWrong(f"规则 {rule.id}：{zh}", f"rule {rule.id}: {en}")
