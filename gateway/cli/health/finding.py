"""What a look at machine, settings or home found."""

from __future__ import annotations

from dataclasses import dataclass


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
