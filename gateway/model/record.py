"""Records, and `replace` for them: as frozen dataclasses to whoever reads or checks types, at a fraction of their price.

A message makes dozens of them on its way and is changed a dozen times.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, cast, dataclass_transform

T = TypeVar("T")

_readers: dict[type, attrgetter[tuple[Any, ...]]] = {}


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """A slotted dataclass that nobody writes to: the type checker refuses it, so that it need not be refused at each making.

    It is pickled as what it is made of, without names, where all of that is given at its making.
    """
    made = dataclass(slots=True, unsafe_hash=True)(cls)
    names = [each.name for each in fields(cast(Any, made))]
    if len(names) > 1 and all(each.init for each in fields(cast(Any, made))):
        read = attrgetter(*names)
        made.__reduce__ = lambda self: (made, read(self))  # type: ignore[method-assign]
    return made


def replace(record: T, /, **changes: Any) -> T:
    """A copy of a slotted record (two fields at least, each given at its making) with some fields changed.

    Raises AttributeError for a name that is no field.
    """
    cls = type(record)
    read = _readers.get(cls) or _readers.setdefault(cls, attrgetter(*(field.name for field in fields(cast(Any, cls)))))
    copy = cls(*read(record))
    for name, value in changes.items():
        object.__setattr__(copy, name, value)
    return copy
