"""Read ``[licence]`` of a script: where a handed over document says what its licence allows."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

CHOICE = "choice:"  #: before the name of a choice of the same script, where a value is not the same for every document


@dataclass(frozen=True)
class Terms:
    """What stands where in a licence; ``docs/simulators.md`` tells each key."""

    codes: tuple[str, ...]
    direction: str
    goods: str = ""
    batch: str = "one"
    uses: int = 0
    months: int = 0
    within_year: bool = False
    number: str = "licence"
    application: tuple[str, ...] = ()
    trader: tuple[str, ...] = ()
    trader_name: tuple[str, ...] = ()
    owner_name: tuple[str, ...] = ()
    valid_from: tuple[str, ...] = ()
    valid_until: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    code: str = "CodeTS"
    name: str = "Name"
    unit: str = "Unit"
    quantity: str = "Quantity"
    price: str = ""
    currency: str = ""
    over: str = "0"
    used_code: str = ""

    def choices(self) -> list[str]:
        """List the choices that are asked."""
        said = (*self.codes, self.direction, self.batch, self.over)
        return [text.removeprefix(CHOICE) for text in said if text.startswith(CHOICE)]


def read_terms(raw: dict[str, Any]) -> Terms:
    """Read the section. Raises ValueError for an unknown key or word, TypeError for a missing key."""
    known = {one.name for one in fields(Terms)}
    if unknown := sorted(set(raw) - known):
        raise ValueError(f"unknown key {unknown[0]!r} in [licence]")
    codes = raw.get("codes", ())
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    given["codes"] = (codes,) if isinstance(codes, str) else tuple(codes)
    terms = Terms(**given)
    for key, words in (("direction", ("import", "export")), ("batch", ("one", "several"))):
        if (said := getattr(terms, key)) not in words and not said.startswith(CHOICE):
            raise ValueError(f"{key} = {said!r} in [licence]: write {' or '.join(words)} or choice:NAME")
    if not terms.codes:
        raise ValueError("codes is empty in [licence]")
    return terms
