"""What differs between two contents of a document, place by place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tongguan.gateway.model.document import Content
from tongguan.gateway.model.record import record
from tongguan.gateway.profile.profile import Field, Profile

#: fills of what nobody asks for: the gateway and its authority tell it
_TOLD = ("status", "receipt", "number:")


@record
class ValueChange:
    """One value that two contents do not have in common; None where one of them has none."""

    place: str  #: `GrossWet`, or `DecList[3]/GQty`: rows are counted from 1
    field: Field
    old: str | None
    new: str | None


def differences(profile: Profile, old: Content, new: Content) -> Sequence[ValueChange]:
    """Every value that is another one, in the order of the contents."""
    fields = {field.path: field for field in profile.fields if not field.fill.startswith(_TOLD)}
    before, after = dict(_values(fields, old)), dict(_values(fields, new))
    every = {**before, **after}
    return [
        ValueChange(place, field, *(found[place][1] if place in found else None for found in (before, after)))
        for place, (field, _) in every.items()
        if before.get(place) != after.get(place)
    ]


def _values(
    fields: Mapping[str, Field], content: Mapping[str, Any], path: str = "", place: str = ""
) -> Iterator[tuple[str, tuple[Field, str]]]:
    for name, value in content.items():
        if isinstance(value, list):
            for n, row in enumerate(value, 1):
                yield from _values(fields, row, f"{path}{name}[]/", f"{place}{name}[{n}]/")
        elif isinstance(value, Mapping):
            yield from _values(fields, value, f"{path}{name}/", f"{place}{name}/")
        elif (field := fields.get(path + name)) is not None:
            yield place + name, (field, value)
