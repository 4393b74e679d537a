"""What a look at machine, settings or home found, and the checklist of a production home that is made of it.

The checklist is written by `tongguan init --production`, and ticked off by `tongguan doctor`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tongguan.gateway.cli.context import t
from tongguan.gateway.system.printed import at_home
from tongguan.gateway.system.storage import files

FILE = "checklist.md"


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `do` is empty when it is ok. A `warning` does not keep the gateway from starting."""

    check: str
    text: str
    do: str = ""
    warning: bool = False

    @property
    def ok(self) -> bool:
        return not self.do


def write_checklist(home: Path, found: Iterable[Finding]) -> None:
    """Write every look as a line: ticked where all is well, else with what to do."""
    head = t(
        "# 生产环境清单\n\n每次执行 `tongguan doctor` 都会更新。\n", "# Checklist\n\n`tongguan doctor` brings it up to date.\n"
    )
    lines = [f"- [{'x' if each.ok else ' '}] {each.check}: {each.text}" + (f" — {each.do}" if each.do else "") for each in found]
    files.write(home / FILE, at_home("\n".join([head, *lines, ""]), home.absolute()).encode())


def tick_off(home: Path, found: Iterable[Finding]) -> None:
    """Bring the checklist up to date, where this home has one."""
    if (home / FILE).exists():
        write_checklist(home, found)
