"""What a merge is held against: the shortest loop that adds up lines of text, each with its whole key as one string.

Imports nothing but what it needs, so that its memory is its own.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

SUMS = 3  #: numbers behind the key of a line


def add_up(path: Path) -> int:
    """Add up the lines of a file by their keys; how many keys there are. A key holds no line end and its line no quoted comma."""
    groups: dict[str, list[Decimal]] = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            key, one, two, three = line.rsplit(",", SUMS)
            group = groups.get(key)
            if group is None:
                groups[key] = [Decimal(one), Decimal(two), Decimal(three)]
            else:
                group[0] += Decimal(one)
                group[1] += Decimal(two)
                group[2] += Decimal(three)
    return len(groups)


def told(work: Callable[[], Any]) -> None:
    """Print as JSON what a work returned, the seconds of processor time that it took, and the most memory of this process in MB."""
    began = time.process_time()
    found = work()
    took = time.process_time() - began
    status = Path("/proc/self/status").read_text("utf-8")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]
    print(json.dumps({"found": found, "seconds": took, "peak_mb": int(peak) / 1024}))


if __name__ == "__main__":
    told(lambda: add_up(Path(sys.argv[1])))
