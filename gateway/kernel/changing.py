"""`replace` for records: as `dataclasses.replace`, at less than half its price; a message is changed a dozen times on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")

_known: dict[
    type, tuple[Callable[[Any], tuple[Any, ...]], tuple[Callable[[Any, Any], None], ...], dict[str, Callable[[Any, Any], None]]]
] = {}


def replace(record: T, /, **changes: Any) -> T:
    """A copy of a frozen, slotted record (two fields at least, no `__post_init__`) with some fields changed.

    Raises KeyError for a name that is no field.
    """
    cls = type(record)
    if cls not in _known:
        _known[cls] = _learn(cls)
    read, writers, by_name = _known[cls]
    copy = object.__new__(cls)
    for write, value in zip(writers, read(record), strict=True):
        write(copy, value)
    for name, value in changes.items():
        by_name[name](copy, value)
    return copy


def _learn(cls: Any) -> Any:
    names = [field.name for field in fields(cls)]
    writers = {name: getattr(cls, name).__set__ for name in names}
    return attrgetter(*names), tuple(writers.values()), writers
