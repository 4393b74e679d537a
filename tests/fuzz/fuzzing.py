"""Feed a reader with spoilt inputs, and keep the first that breaks its promise: an exception nobody meant, or too much work.

Inputs whose outcome was not seen before are spoilt further, so that a run finds its way from the examples into the corners. The
same seed takes the same way; only the time at which it stops differs.
"""

from __future__ import annotations

import gc
import hashlib
import random
import resource
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from effort import effort
from mutations import mutated

CORPUS = Path(__file__).with_name("corpus")
MOST_GROWTH_KB = 400_000  #: of this process, over a whole run
_MOST_KEPT = 3000


@dataclass(frozen=True)
class Target:
    """A reader. `run` gives a word for what came of the input, and raises only what breaks the promise."""

    name: str
    seeds: Callable[[], Sequence[bytes]]
    run: Callable[[bytes], str]
    most: float  #: work, in times that of reading an ordinary document of the same size
    spoil: Callable[[random.Random, bytes, Sequence[bytes]], bytes] = mutated

    @property
    def corpus(self) -> Path:
        return CORPUS / self.name


@dataclass(frozen=True)
class Found:
    raw: bytes
    why: str


@dataclass(frozen=True)
class Run:
    """How a run went: inputs, different outcomes, and what broke the promise."""

    inputs: int
    outcomes: int
    found: Found | None


def broken(target: Target, raw: bytes) -> Found | None:
    """What is wrong with what came of one input."""
    try:
        if (times := effort(lambda: target.run(raw), len(raw), enough=target.most)) > target.most:
            return Found(raw, f"{times:.0f} times the work of an ordinary document of {len(raw)} bytes")
    except Exception:
        return Found(raw, traceback.format_exc(limit=-6))
    return None


def known(target: Target) -> list[Path]:
    return sorted(target.corpus.glob("*")) if target.corpus.is_dir() else []


def fuzz(target: Target, *, seconds: float, seed: int, last: Path) -> Run:
    """Spoil inputs for so long; the one in hand lies in `last`, should the whole process end over it."""
    chance = random.Random(seed)
    pool = [*target.seeds(), *(path.read_bytes() for path in known(target))]
    seen: set[str] = set()
    inputs, end, size = 0, time.monotonic() + seconds, _size_kb()
    for raw in pool:
        seen.add(target.run(raw))
    while time.monotonic() < end:
        raw = target.spoil(chance, chance.choice(pool), pool)
        last.write_bytes(raw)
        inputs += 1
        began = time.thread_time()
        try:
            word = target.run(raw)
        except Exception:
            return Run(inputs, len(seen), Found(raw, traceback.format_exc(limit=-8)))
        if time.thread_time() - began > 0.05 and (found := broken(target, raw)):
            return Run(inputs, len(seen), found)
        if word not in seen and len(pool) < _MOST_KEPT:
            seen.add(word)
            pool.append(raw)
        if _size_kb() - size > MOST_GROWTH_KB:
            return Run(inputs, len(seen), Found(raw, f"the process has grown by {_size_kb() - size} kB"))
    gc.collect()
    return Run(inputs, len(seen), None)


def keep(target: Target, found: Found) -> Path:
    """Put what was found into the corpus: it is tried in every run from then on."""
    target.corpus.mkdir(parents=True, exist_ok=True)
    path = target.corpus / hashlib.sha256(found.raw).hexdigest()[:12]
    path.write_bytes(found.raw)
    return path


def _size_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
