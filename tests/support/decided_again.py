"""Each decision is made again: here, of the same moment and of what the snapshot answered, and in another process.

That process made its own rules from the same settings, finds step and functions by their qualified names, and is given everything else
pickled; what comes of it must be equal. Everything is decided twice here; there, which costs more, the first few of each step, type, operation and
end are, of all processes of one test worker together (its gateways too).

What the other process is not given: steps that a test made up, rules that a test put together by hand, and decisions that ended by a
bug, as tests put those into this process only. Of a bug's traceback nothing is compared.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
import threading
import time
import weakref
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from multiprocessing.connection import Client, Connection, Listener, wait
from pathlib import Path
from typing import Any

from lxml import etree

ADDRESS = "TONGGUAN_TEST_AGAIN"
_ENOUGH = 2  #: of a kind
_PATIENCE = 60.0  #: seconds
_TOKEN = "made_again_as"  #: what the other process knows rules by


# What was asked, and what was answered


class Asked:
    """A snapshot that notes what it answers; with `answers` alone it is one that knows nothing else."""

    def __init__(self, records: Any = None, answers: Mapping[str, list[Any]] | None = None) -> None:
        self._records = records
        self._left = {key: deque(each) for key, each in answers.items()} if answers is not None else None
        self.answers: dict[str, list[Any]] = defaultdict(list)

    def see(self, outcome: Any) -> None:
        if self._records is not None:
            self._records.see(outcome)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(*args: Any, **words: Any) -> Any:
            args = tuple(list(each) if isinstance(each, Iterator) else each for each in args)
            key = f"{name} {[_key(each) for each in args]} {_key(words)}"
            if self._left is not None:
                return _told(self._left[key].popleft())
            found = _caught(getattr(self._records, name), *args, **words)
            self.answers[key].append(list(found) if isinstance(found, Iterator) else found)
            return _told(self.answers[key][-1])

        return ask


def _caught(function: Callable[..., Any], *args: Any, **words: Any) -> Any:
    """What it returns, or the exception that it raises."""
    try:
        return function(*args, **words)
    except Exception as wrong:
        return wrong


def _told(found: Any) -> Any:
    if isinstance(found, Exception):
        raise found
    return found


def _key(thing: Any) -> str:
    """The same for equal things, in every process."""
    if callable(thing) or isinstance(thing, bytes):
        return ""
    if isinstance(thing, dict):
        return str({name: _key(each) for name, each in thing.items()})
    if isinstance(thing, set | frozenset):
        return str(sorted(map(_key, thing)))
    if isinstance(thing, list | tuple):
        return str([_key(each) for each in thing])
    return str(thing.compile(compile_kwargs={"literal_binds": True})) if hasattr(thing, "compile") else repr(thing)


class Given:
    """Numbers that are noted as they are given; with `given` alone it gives these."""

    def __init__(self, numbers: Any = None, given: Mapping[str, list[Any]] | None = None) -> None:
        self._numbers = numbers
        self._left = {series: deque(each) for series, each in given.items()} if given is not None else None
        self.given: dict[str, list[Any]] = defaultdict(list)

    def take(self, series: str, *, digits: int = 9) -> int:
        if self._left is not None:
            return int(_told(self._left[series].popleft()))
        self.given[series].append(found := _caught(self._numbers.take, series, digits=digits))
        return int(_told(found))


# Pickles


class _ByHand(Exception):
    """These rules are no settings'."""


class _Tree:
    """An XML tree, with the lines on which its elements stood."""

    def __init__(self, root: etree._Element) -> None:
        self.elements = list(root.iter())

    def __reduce__(self) -> Any:
        root, lines = self.elements[0], [each.sourceline for each in self.elements]
        return _Tree._grown, (etree.tostring(root, with_tail=False), lines)

    @staticmethod
    def _grown(raw: bytes, lines: list[int | None]) -> _Tree:
        tree = _Tree(etree.fromstring(raw, etree.XMLParser(huge_tree=True, strip_cdata=False)))
        for each, line in zip(tree.elements, lines, strict=True):
            if line is not None:
                each.sourceline = line
        return tree


def _element(tree: _Tree, n: int) -> etree._Element:
    return tree.elements[n]


def _exception(kind: type[BaseException], args: tuple[Any, ...], facts: dict[str, Any]) -> BaseException:
    made = kind.__new__(kind, *args)
    made.args = args
    vars(made).update(facts)
    return made


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=5)
        self._trees: dict[etree._Element, _Tree] = {}

    def persistent_id(self, thing: Any) -> Any:
        from tongguan.gateway.flow.rules import Rules

        if not isinstance(thing, Rules):
            return None
        if _TOKEN not in vars(thing):
            raise _ByHand
        return vars(thing)[_TOKEN]

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, etree._Element):
            root = thing.getroottree().getroot()
            tree = self._trees.setdefault(root, _Tree(root))
            return _element, (tree, tree.elements.index(thing))
        if isinstance(thing, BaseException):
            return _exception, (type(thing), thing.args, vars(thing))
        return NotImplemented


def _pickled(thing: Any) -> bytes:
    file = io.BytesIO()
    _Pickler(file).dump(thing)
    return file.getvalue()


class _Unpickler(pickle.Unpickler):
    def __init__(self, raw: bytes, rules: Mapping[str, Any]) -> None:
        super().__init__(io.BytesIO(raw))
        self._rules = rules

    def persistent_load(self, token: Any) -> Any:
        return self._rules[token]


# Here


class Twice:
    """`loop._attempt`, with what comes of it compared with what comes of it again."""

    def __init__(self, attempt: Callable[..., Any], complain: Callable[[str], None]) -> None:
        self._attempt, self._complain = attempt, complain
        self._elsewhere = _Elsewhere()

    def watch(self) -> None:
        """Know each site's rules, and have the other process make them, too."""
        from tongguan.gateway.daemon import assembly

        make = assembly.make_rules

        @wraps(make)
        def made(settings: Any) -> Any:
            rules = make(settings)
            if difference := self._elsewhere.made(rules, _pickled((settings, assembly.load_profiles))):
                self._complain(f"the rules of {settings.home} cannot be made in another process: {difference}")
            return rules

        assembly.make_rules = made

    def __call__(self, step: Any, moment: Any, message: Any, answer: Any, records: Any) -> Any:
        from tongguan.gateway.model.errors import TongguanError
        from tongguan.gateway.model.record import replace

        asked, given = Asked(records), Given(moment.numbers)
        chain, raised = self._attempt(step, replace(moment, numbers=given), message, answer, asked)
        first = said(chain, raised)
        seen = (moment.closed, moment.secrets, moment.answers)
        again = (step, (moment.now, moment.business), seen, given.given, message, answer, asked.answers)
        if difference := unlike(first, said(*_decided(*again))):
            self._complain(f"{step.name} decides otherwise the second time: {difference}")
        if raised is not None and not isinstance(raised, TongguanError):
            return chain, raised
        state = chain[-1].message.state if chain else ""
        end = f"{state} {type(raised).__name__}"
        kind = f"{step.name} {_name(step.decide)} {message.type} {message.operation} {message.state} {end} {message.form}"
        if difference := self._elsewhere.difference(kind, step, again, first):
            self._complain(f"{step.name} decides otherwise in another process: {difference}")
        return chain, raised


def _name(function: Any) -> str:
    return str(getattr(getattr(function, "func", function), "__qualname__", ""))


def _decided(step: Any, at: tuple[int, int], seen: tuple[Any, ...], given: Any, message: Any, answer: Any, answers: Any) -> Any:
    from tongguan.gateway.work import loop
    from tongguan.gateway.work.moment import Moment

    moment = Moment(*at, Given(given=given), *seen)
    with loop.deciding():
        return loop._decide(step, moment, message, answer, Asked(answers=answers))


def said(chain: Any, raised: BaseException | None) -> tuple[Any, str]:
    """What came of a decision, as far as it is compared."""
    from tongguan.gateway.model.errors import TongguanError
    from tongguan.gateway.model.record import replace

    def bare(outcome: Any) -> Any:
        extra = {name: value for name, value in (outcome.message.extra or {}).items() if name != "traceback"}
        return replace(outcome, message=replace(outcome.message, extra=extra))

    why = f"{type(raised).__name__} {vars(raised) if isinstance(raised, TongguanError) else ''}" if raised is not None else ""
    return tuple(map(bare, chain)), why


def unlike(one: Any, other: Any, place: str = "") -> str:
    """Where two values differ first; empty where they are equal."""
    if one == other:
        return ""
    if is_dataclass(one) and type(one) is type(other):
        parts = [(f.name, getattr(one, f.name), getattr(other, f.name)) for f in fields(one)]
    elif isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        parts = [(str(n), *pair) for n, pair in enumerate(zip(one, other, strict=True))]
    else:
        return f"{place}: {one!r}\n  is not {other!r}"
    return next((found for name, a, b in parts if (found := unlike(a, b, f"{place}.{name}"))), f"{place}: equal in every part")


class _Elsewhere:
    """The other process, as one of those knows it that ask it. Threads share it."""

    def __init__(self) -> None:
        self._enough: set[str] = set()
        self._gone: deque[str] = deque()  #: rules that are nobody's any more
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def made(self, rules: Any, of: bytes) -> str:
        token = vars(rules)[_TOKEN] = f"{os.getpid()}-{time.monotonic_ns()}"
        weakref.finalize(rules, self._gone.append, token).atexit = False
        with self._lock:
            return str(self._ask("rules", (token, of)))

    def difference(self, kind: str, step: Any, again: tuple[Any, ...], first: Any) -> str:
        if kind in self._enough:
            return ""
        with self._lock:
            if not self._ask("want", kind):
                self._enough.add(kind)
                return ""
            bare = type(step)(step.name, step.decide, None, None, step.refuse, step.wait, step.respond, failed=step.failed)
            try:
                raw = _pickled((bare, *again[1:], first))
            except _ByHand:
                return ""
            except Exception as wrong:
                return f"it cannot be told of it: {type(wrong).__name__}: {wrong}"
            return str(self._ask("decide", raw))

    def _ask(self, what: str, about: Any) -> Any:
        if self._connection is None:
            begin()
            self._connection = Client(os.environ[ADDRESS], "AF_UNIX")
        while self._gone:
            self._connection.send(("gone", self._gone.popleft()))
        self._connection.send((what, about))
        return self._connection.recv()


_begun: list[Any] = []
_beginning = threading.Lock()


def begin() -> None:
    """Have the other process run; it ends with the one that calls this first."""
    with _beginning:
        if _begun or Path(os.environ[ADDRESS]).exists():
            return
        import forkserver

        with open(os.devnull, "w") as null:
            other = forkserver.Forked([os.environ[ADDRESS], *sys.path], stdout=null, stderr=null, module="decided_again")
        until = time.monotonic() + _PATIENCE
        while other.poll() is None and time.monotonic() < until:
            try:
                _begun.append(Client(os.environ[ADDRESS], "AF_UNIX"))  # held as long as this process lives
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.005)
            else:
                return
        raise RuntimeError("the process that decides again does not begin")


# There


def main() -> None:
    """Decide what is sent to a socket, until the first that asked has ended."""
    address, *sys.path[:] = sys.argv[1:]
    rules: dict[str, Any] = {}
    seen: Counter[str] = Counter()
    with Listener(address, "AF_UNIX") as listener:
        first = listener.accept()
        socket, asking = listener._listener._socket, [first]  # type: ignore[attr-defined]
        while True:
            for ready in wait([socket, *asking]):
                if ready is socket:
                    asking.append(listener.accept())
                    continue
                try:
                    what, about = ready.recv()  # type: ignore[union-attr]
                    if what == "gone":
                        rules.pop(about, None)
                    else:
                        ready.send(_answer(what, about, rules, seen))  # type: ignore[union-attr]
                except (EOFError, OSError):
                    if ready is first:
                        return
                    asking.remove(ready)  # type: ignore[arg-type]


def _answer(what: str, about: Any, rules: dict[str, Any], seen: Counter[str]) -> Any:
    if what == "want":
        seen[about] += 1
        return seen[about] <= _ENOUGH
    try:
        if what == "rules":
            rules[about[0]] = _rules(*pickle.loads(about[1]))
            return ""
        *again, first = _Unpickler(about, rules).load()
        chain, raised = _decided(*again)
        difference = unlike(first, said(chain, raised))
        return difference and difference + _bug(chain)
    except Exception as wrong:
        return f"{type(wrong).__name__}: {wrong}"


def _bug(chain: Any) -> str:
    """The traceback of a bug that ended a decision in this process alone."""
    return "".join(f"\n{extra}" for each in chain if (extra := (each.message.extra or {}).get("traceback")))


def _rules(settings: Any, load: Any) -> Any:
    from tongguan.gateway.daemon import assembly

    assembly.load_profiles = load
    return assembly.make_rules(settings)
