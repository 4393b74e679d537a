"""How much work reading costs, in a measure that no machine's speed changes: times the work of reading ordinary bytes of that size."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable
from functools import cache

from tongguan.codecs.reading.read import read
from tongguan.gateway.model.errors import Refused

ORDINARY_BYTES = 200_000
LEAST_BYTES = 20_000  #: smaller inputs may cost as much as these: what is the same for every input weighs more there
_ROW = "<Goods><CodeTS>8418999990</CodeTS><GName>压缩机配件</GName><GQty>12.5</GQty><Unit>001</Unit><Note/></Goods>"


def effort(run: Callable[[], object], size_bytes: int, *, enough: float = 0.0) -> float:
    """The work of `run` on that many bytes; 1.0 is an ordinary document's. The least of five, unless an earlier one is `enough`.

    Ordinary bytes are read right before and after, so that both meet the same machine.
    """
    least, before = float("inf"), _ordinary()
    for _ in range(5):
        spent, after = _seconds(run), _ordinary()
        least = min(least, spent / max(before, after) * ORDINARY_BYTES / max(size_bytes, LEAST_BYTES))
        if least <= enough:
            break
        before = after
    return least


def _ordinary() -> float:
    raw = _ordinary_bytes()
    return _seconds(lambda: read("m.xml", raw, most_bytes=len(raw)))


@cache
def _ordinary_bytes() -> bytes:
    row = _ROW.encode()
    rows = row * (ORDINARY_BYTES // len(row))
    return b'<XX.test xmlns="urn:tongguan:XX.test:1" operation="save" reference="r">' + rows + b"</XX.test>"


def _seconds(run: Callable[[], object]) -> float:
    """Of this thread alone, without the garbage of whatever ran before: what others do meanwhile is not counted."""
    gc.disable()
    try:
        began = time.thread_time()
        with contextlib.suppress(Refused):
            run()
        return time.thread_time() - began
    finally:
        gc.enable()
