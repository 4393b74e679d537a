"""`rules.toml`: what must hold, of a form and of its types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tongguan.gateway.profile.profile import Rule, Text
from tongguan.gateway.profile.source import Complaints, TomlFile, TomlTable, both, text

_NOTHING = Text("", "")


def read_rules(folders: Iterable[Path], operations: tuple[str, ...], complaints: Complaints) -> tuple[Rule, ...]:
    rules: dict[str, Rule] = {}
    for path in (f / "rules.toml" for f in folders):
        if not path.is_file():
            continue
        file = TomlFile(path, complaints)
        whole_file = file.part()
        for n, _ in enumerate(whole_file.rows("rule")):
            rule = _rule(file.part("rule", n), operations)
            if rule.id in rules:
                place = rules[rule.id].place
                complaints.add(rule.place, f"{place} 已有规则 {rule.id!r}", f"rule {rule.id!r} exists already, in {place}")
            rules[rule.id] = rule
        whole_file.rest_is_unknown()
    return tuple(rules.values())


def _rule(part: TomlTable, operations: tuple[str, ...]) -> Rule:
    rule = Rule(
        id=part.need("id", text, ""),
        at=frozenset(part.names("at", operations, "operation")),
        when=tuple(part.rows("when")),
        check=part.need("check", text, ""),
        path=part.need("path", text, ""),
        with_=part.tables("with"),
        says=part.need("says", both, _NOTHING),
        from_=part.take("from", text, ""),
        severity=part.one_of("severity", ("error", "warning"), "error"),
    )
    part.rest_is_unknown()
    return replace(rule, place=part.place("id"))
