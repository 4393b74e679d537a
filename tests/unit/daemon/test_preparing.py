"""Processes that prepare: what they give comes to the same as without them, and whatever becomes of one, nothing is lost."""

from __future__ import annotations

import hashlib
import importlib
import os
import pickle
import pkgutil
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from enum import Enum, EnumType
from pathlib import Path
from typing import Any

import bodies as b
import orjson
import psutil
import pytest
import volumes
from editions import know_editions
from homes import begins, new_home
from journals import comes, document, submission, written
from licence_types import LICENCE, LIST, NUMBER, list_body, write_types
from lxml import etree
from other_types import write_other_types
from patience import wait_until
from rounds import turn

from tongguan.gateway import model
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.daemon.preparing import crossing, process, workers
from tongguan.gateway.flow.intake import door
from tongguan.gateway.flow.intake.accept import Arrival
from tongguan.gateway.flow.intake.preparer import FileBatch, MessageBatch
from tongguan.gateway.flow.submission.check_station import CheckStation
from tongguan.gateway.flow.submission.dispatch import series_ahead
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.journal.port import Claim
from tongguan.gateway.model.errors import StationBroken
from tongguan.gateway.model.message import OTHER, Message, State
from tongguan.gateway.model.outcome import Number, Outcome, Take, TakenLine
from tongguan.gateway.model.queueing import OutgoingMessage
from tongguan.gateway.model.record import replace
from tongguan.gateway.settings import Broker, read_settings
from tongguan.gateway.system import clock
from tongguan.routes.broker.broker import make_broker

WAITING = 300  #: messages that wait for one document
FILING, VOLUME = "XX.filing", "XX.volume"
ENDED = {State.SEALED, State.REFUSED, State.ACCEPTED, State.HELD, State.REPEATED}


@contextmanager
def running(home: Path, processes: int = 2) -> Iterator[Daemon]:
    """A gateway whose authorities are not there; its first worker is up."""
    daemon = Daemon(home, processes=processes)
    know_editions(daemon.site)
    daemon.start()
    try:
        if daemon.workers is not None:
            wait_until(lambda: daemon.workers.ready, "a worker", moves=lambda: pids(daemon))  # type: ignore[union-attr]
        yield daemon
    finally:
        daemon.stop()


@contextmanager
def filing_home(home: Path, processes: int) -> Iterator[Daemon]:
    """A gateway that knows filings, and volumes that wait for them."""
    change_settings(new_home(home, language="en"), "gateway", "settle", "0s")
    write_other_types(home / "profiles" / "mofcom")
    with running(home, processes) as daemon:
        yield daemon


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = new_home(tmp_path / "home", language="en")
    change_settings(made, "gateway", "settle", "0s")
    return made


def pids(daemon: Daemon) -> list[int]:
    return daemon.workers.pids if daemon.workers is not None else []


def declared(reference: str, **more: Any) -> bytes:
    return etree.tostring(b.message(b.APPLICATION, "declare", like="ok-declare.xml", reference=reference, **more))


def saved(reference: str) -> bytes:
    return etree.tostring(b.message(b.APPLICATION, "save", like="ok-save.xml", reference=reference))


def drop(home: Path, files: dict[str, bytes]) -> None:
    """All at once, so that they come in few hands."""
    outbox = home / "mailboxes" / "demo" / "OutBox"
    beside = home / "beside"
    beside.mkdir(exist_ok=True)
    for name, content in files.items():
        (beside / name).write_bytes(content)
    for name in files:
        (beside / name).rename(outbox / name)


def messages(daemon: Daemon) -> list[Message]:
    with daemon.journal.search() as records:
        return list(records.list_messages([], limit=2000))


def done(daemon: Daemon, count: int) -> list[Message]:
    """The messages, once so many of them came to where they can come without an authority."""

    def look() -> list[Message]:
        found = messages(daemon)
        return found if sum(m.state in ENDED for m in found) >= count else []

    found: list[Message] = wait_until(look, f"{count} messages", moves=lambda: len(messages(daemon)))
    return found


def mixed() -> dict[str, bytes]:
    """Files of every fate, some of which rest on others, on both sides of the border of a part."""
    files = {f"m{n:03d}.xml": declared(f"r{n}") for n in range(150)}
    files["m010.xml"] = b"<NA.application"
    files["m020.xml"] = files["m003.xml"]  # the same again
    files["m070.xml"] = declared("r5")  # a reference that is taken
    files["m030.xml"] = etree.tostring(b.message(b.APPLICATION, "save", like="ok-save.xml", reference="s1", document="d1"))
    files["m063.xml"] = etree.tostring(b.message(b.APPLICATION, "save", like="ok-save.xml", reference="s2", document="d2"))
    files["m064.xml"] = etree.tostring(b.message(b.APPLICATION, "delete", reference="x2", document="d2"))
    files["m140.xml"] = etree.tostring(b.message(b.APPLICATION, "delete", reference="x1", document="d1"))
    files["m090.xml"] = b.batch(
        [b.message(b.APPLICATION, "save", like="ok-save.xml", reference=f"i{n}") for n in range(3)], "all"
    )
    return files


def fates(found: list[Message]) -> dict[Any, Any]:
    return {
        (m.source, m.item): (m.state, m.reference, m.document, m.seal_number, [f.code for f in m.faults], m.lane) for m in found
    }


@pytest.mark.requirement("GW-05")
def test_what_is_prepared_beside_comes_to_the_same_as_what_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, prepared, came = mixed(), Counter[str](), {}
    real = workers._Worker._told

    def counted(worker: Any, connection: Any, asked: Any) -> Any:
        chains = real(worker, connection, asked)
        prepared["asked"] += len(asked.hand)
        prepared["sealed"] += sum(chain[-1].message.state is State.SEALED for chain in chains)
        return chains

    monkeypatch.setattr(workers._Worker, "_told", counted)
    for processes in (1, 2):
        home = new_home(tmp_path / str(processes), language="en")
        change_settings(home, "gateway", "settle", "0s")
        with running(home, processes) as daemon:
            drop(home, files)
            came[processes] = fates(done(daemon, len(files) + 3))
            assert daemon.journal.verify().broken is None
            assert bool(pids(daemon)) is (processes == 2)

    assert came[2] == came[1]
    assert prepared["sealed"] > 64, prepared


@pytest.mark.requirement("CD-03")
def test_files_whose_rows_become_several_documents_are_prepared_beside_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = Counter[bool]()
    real = workers._Worker._told

    def counted(worker: Any, connection: Any, asked: Any) -> Any:
        chains = real(worker, connection, asked)
        several.update(bool(o.follow_ons) for chain in chains for o in chain if o.message.state is State.CHECKED)
        return chains

    monkeypatch.setattr(workers._Worker, "_told", counted)
    files = {f"m{n:03d}.xml": volumes.message("declare", f"v{n}", volumes.goods("abcdefg")).encode() for n in range(40)}
    files["m010.xml"] = volumes.message("declare", "v3-2", volumes.goods("a")).encode()  # that of a further document
    came = {}
    for processes in (1, 2):
        home = new_home(tmp_path / str(processes), language="en")
        change_settings(home, "gateway", "settle", "0s")
        volumes.add_volumes(home)
        with running(home, processes) as daemon:
            drop(home, files)
            came[processes] = fates(done(daemon, 39 * 3 + 1))
            assert daemon.journal.verify().broken is None

    assert came[2] == came[1]
    assert Counter(fate[0] for fate in came[1].values()) == {State.SEALED: 39 * 3, State.REFUSED: 1}
    assert several[True] > 8


@pytest.mark.long
@pytest.mark.requirement("GW-05")
@pytest.mark.requirement("GW-11")
def test_a_worker_that_is_killed_at_its_work_loses_nothing_and_is_begun_anew(home: Path) -> None:
    with running(home) as daemon:
        killed = 0
        for batch in range(6):
            drop(home, {f"b{batch}-{n:03d}.xml": declared(f"b{batch}-{n}") for n in range(100)})
            wait_until(lambda n=batch: len(messages(daemon)) > n * 100, "the hand to be begun")
            for pid in pids(daemon):
                os.kill(pid, signal.SIGKILL)
                killed += 1
        found = done(daemon, 600)

        assert killed
        assert Counter(m.state for m in found) == {State.SEALED: 600}
        assert len({m.reference for m in found}) == 600
        assert daemon.journal.verify().broken is None
        assert not daemon.supervisor.reason
        wait_until(lambda: daemon.workers and daemon.workers.ready, "a worker again")
        drop(home, {f"z{n:03d}.xml": declared(f"z{n}") for n in range(64)})
        done(daemon, 664)
        wait_until(lambda: "process" not in {p.code for p in daemon.alerts.problems()}, "the alert to be over")


POISONED = """
import os, sys
from tongguan.gateway.daemon.preparing import process
prepare = process.prepare
def poisoned(site, hand):
    if any(b"poison" in a.raw for a in hand.arrivals.values()):
        os.abort()
    return prepare(site, hand)
process.prepare = poisoned
process.main()
"""


def publish(files: dict[str, bytes]) -> None:
    """All of them into the queue of a broker in this process's memory."""
    made = make_broker(Broker(url="memory://"), Path())
    assert made is not None
    link = made.connect("test")
    queue = "tongguan.submit.demo"
    told = {name: orjson.dumps({"name": name, "body": content.decode()}) for name, content in files.items()}
    link.declare_queue(queue)
    link.publish([OutgoingMessage(body, queue, message_id=name) for name, body in told.items()])
    link.close()


@pytest.mark.long
@pytest.mark.requirement("GW-05")
@pytest.mark.parametrize("way", ["folder", "queue"])
def test_what_ends_workers_is_held_and_the_gateway_never_looks_into_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(workers, "PROGRAM", ("-c", POISONED))
    monkeypatch.setattr(workers, "Backoff", Impatient)
    looked: list[str] = []
    real = door.look_into

    def watched(rules: Any, came: Any, **more: Any) -> Any:
        looked.append(came.source)
        return real(rules, came, **more)

    monkeypatch.setattr(door, "look_into", watched)
    if way == "queue":
        with (home / "tongguan.toml").open("a") as settings:
            settings.write('\n[broker]\nurl = "memory://"\n')
    with running(home) as daemon:
        files = {f"m{n:03d}.xml": declared(f"r{n}") for n in range(100)}
        files["m050.xml"] += b"<!--poison-->"
        drop(home, files) if way == "folder" else publish(files)
        found = {m.source: m for m in done(daemon, 100)}

    assert found["m050.xml"].state is State.HELD
    assert "crashed three times" in str(found["m050.xml"].hold_reason)
    assert Counter(m.state for m in found.values()) == {State.HELD: 1, State.SEALED: 99}
    assert "m050.xml" not in looked


class Impatient(workers.Backoff):
    """Tries again at once."""

    def failed(self, now: float) -> None:
        self.at = now


@pytest.mark.requirement("GW-06")
def test_a_worker_that_falls_silent_is_ended_and_its_files_come_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SILENCE", 0.5)
    with running(home) as daemon:
        (pid,) = pids(daemon)
        os.kill(pid, signal.SIGSTOP)
        drop(home, {f"m{n:03d}.xml": declared(f"r{n}") for n in range(40)})
        found = done(daemon, 40)

        assert Counter(m.state for m in found) == {State.SEALED: 40}
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        assert any(a.code == "process" for a in daemon.alerts.problems()) or daemon.workers is not None


@pytest.mark.requirement("GW-06")
def test_one_that_would_decide_by_other_rules_is_not_asked_until_the_gateway_knows_them(home: Path) -> None:
    """Somebody mends a profile while the gateway runs, and the worker ends: what is on disk is not what runs."""
    with running(home) as daemon:
        shutil.copytree(b.PROFILES / "mofcom" / "NA.application", home / "profiles" / "mofcom" / "NA.application")
        for pid in pids(daemon):
            os.kill(pid, signal.SIGKILL)
        said = "profiles or certificates on disk are not those that run"
        wait_until(lambda: any(said in p.text for p in daemon.alerts.problems()), "the alert")
        drop(home, {f"m{n:03d}.xml": declared(f"r{n}") for n in range(40)})

        assert Counter(m.state for m in done(daemon, 40)) == {State.SEALED: 40}
        assert not daemon.workers.ready  # type: ignore[union-attr]


def test_what_was_prepared_is_forgotten_with_the_last_files_of_its_mailbox_that_rest_on_it(home: Path) -> None:
    """A thousand mailboxes would be a thousand last hands."""
    Daemon(home, processes=1).stop()
    settings = read_settings(home)
    journal = process.PreparingJournal(settings.database.url, home)
    site = process.preparing_site(settings, journal)

    def prepared(number: int, raw: bytes, *, anew: bool = False, last: bool = False) -> Outcome:
        arrival = Arrival(f"id{number}", "demo", f"m{number}.xml", raw, str(number), 1)
        numbers = {name: [(number * 10, number * 10 + 9)] for name, _ in series_ahead(site.rules.types.values(), clock.now_ms())}
        job = crossing.PreparingJob(FileBatch("door:demo", "demo", {arrival.id: arrival}, {}), anew, last, {}, numbers)
        (chain,) = crossing.believed(process.answer(site, journal, job)).chains
        return chain[-1]

    saved = etree.tostring(b.message(b.APPLICATION, "save", like="ok-save.xml", reference="s1", document="d1"))
    deleted = etree.tostring(b.message(b.APPLICATION, "delete", reference="x1", document="d1"))
    assert prepared(1, saved, anew=True).message.state is State.ACCEPTED
    assert prepared(2, deleted, last=True).message.state is State.ACCEPTED
    assert not journal.ahead
    assert prepared(3, deleted, anew=True, last=True).message.state is State.REFUSED


@pytest.mark.requirement("GW-09")
def test_what_is_prepared_elsewhere_is_dated_by_the_same_business_clock(home: Path) -> None:
    change = "\n[clock]\nspeed = 86400\n"
    (home / "tongguan.toml").write_text((home / "tongguan.toml").read_text("utf-8") + change, "utf-8")
    begins(home, "2031-01-01")
    with running(home) as daemon:
        first = daemon.site.business.now_ms()
        drop(home, {f"m{n:03d}.xml": saved(f"r{n}") for n in range(60)})
        found = done(daemon, 60)
        last = daemon.site.business.now_ms()
        assert daemon.workers is not None
        assert daemon.workers.ready
        with daemon.journal.search() as records:
            documents = [records.document(m.document_id) for m in found]

    assert all(d is not None and first <= d.created_at <= d.updated_at <= last for d in documents)


@pytest.mark.requirement("GW-05")
def test_where_no_thread_speaks_with_a_process_suspects_are_decided_here(home: Path) -> None:
    """A gateway whose work is done round by round, as a command does it while none runs."""
    daemon = Daemon(home, processes=2)
    know_editions(daemon.site)
    content = declared("r1")
    key = f"file:demo/m1.xml/{hashlib.sha256(content).hexdigest()}"
    daemon.journal.claim_keys("door:demo", [key])
    daemon.journal.abandon("door:demo")
    drop(home, {"m1.xml": content})

    wait_until(lambda: turn(daemon) and messages(daemon), "the file to be taken")
    assert messages(daemon)[0].state is State.SEALED
    daemon.stop()


SLOW = """
import os, sys, time
from tongguan.gateway.daemon.preparing import process
while not os.path.exists({let!r}):
    time.sleep(0.01)
process.main()
"""


def left_behind(daemon: Daemon, station: str, key: str) -> None:
    """A crash with this alone in hand."""
    daemon.journal.claim_keys(station, [key])
    daemon.journal.abandon(station)


@pytest.mark.requirement("GW-05")
def test_while_a_process_begins_no_suspect_is_in_hand_so_that_a_crash_is_not_laid_to_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "PROGRAM", ("-c", SLOW.format(let=str(home / "let"))))
    content = declared("r1")
    key = f"file:demo/m1.xml/{hashlib.sha256(content).hexdigest()}"
    daemon = Daemon(home, processes=2)
    know_editions(daemon.site)
    left_behind(daemon, "door:demo", key)
    daemon.start()
    drop(home, {"m1.xml": content})
    asked = list[int]()
    monkeypatch.setattr(daemon.site.preparer, "begun", lambda real=daemon.site.preparer.begun: asked.append(1) or real())
    wait_until(lambda: asked, "the suspect to be seen")
    wait_until(lambda: pids(daemon), "the process to be begun")
    in_hand = daemon.journal._claims._in_hand.copy()
    (home / "let").touch()
    (message,) = done(daemon, 1)
    daemon.stop()

    assert key not in in_hand
    assert message.state is State.SEALED


class _Late:
    """A helper that begins when it is asked to, or not at all."""

    ready = False

    def __init__(self, journal: Any, *, begins: bool) -> None:
        self.journal, self.begins = journal, begins

    def begun(self) -> bool:
        assert self.journal.given_back == [7], "in nobody's hand"
        self.ready = self.begins
        return self.begins

    def ask(self, hand: MessageBatch, *, anew: bool, last: bool) -> Future[Any]:
        self.journal.asked.append(hand.ids)
        done: Future[Any] = Future()
        done.set_result([])
        return done


class _Suspected:
    """A journal whose one message is suspect."""

    def __init__(self) -> None:
        self.given_back, self.asked = list[int](), list[tuple[str, ...]]()

    def claim(self, station: str, lanes: Any, *, limit: int) -> Claim:
        return Claim(7, station, 1000, (submission("m1"),), ("m1",), 1, frozenset({"m1"}))

    def give_back(self, token: int) -> None:
        self.given_back.append(token)

    def finish(self, chains: Any, *, token: int) -> list[Any]:
        return []


@pytest.mark.requirement("GW-05")
@pytest.mark.parametrize("there", [True, False], ids=["begins", "does-not"])
def test_a_message_that_is_suspect_waits_for_the_process_in_nobodys_hand(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    journal: Any = _Suspected()
    alone = list[Claim]()
    monkeypatch.setattr(CheckStation, "do", lambda station, claim: alone.append(claim))
    station = CheckStation("read", journal, (), None, None, None, preparer=_Late(journal, begins=there))  # type: ignore[arg-type]

    assert station.turn() and station.turn()
    assert (journal.given_back, journal.asked) == ([7], [("m1",)] if there else [])
    assert [claim.crashes for claim in alone] == ([] if there else [1])


@pytest.mark.requirement("GW-05")
def test_a_hand_that_cannot_be_claimed_whole_is_given_back_whole(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Daemon(home, processes=2)
    real, claims = daemon.journal.claim_keys, list[int]()

    def full(station: str, keys: Any, **more: Any) -> Any:
        if claims:
            raise StationBroken("磁盘已满", "the disk is full")
        claim = real(station, keys, **more)
        claims.append(claim.token)
        return claim

    monkeypatch.setattr(daemon.journal, "claim_keys", full)
    drop(home, {f"m{n:03d}.xml": declared(f"r{n}") for n in range(70)})

    wait_until(lambda: turn(daemon) or claims, "a claim")
    assert not daemon.journal._claims._claims
    daemon.stop()


def test_it_ends_with_the_gateway_however_that_ends(home: Path) -> None:
    program = f"""
import sys, time
from pathlib import Path
from tongguan.gateway.cli.logs import only_trouble
from tongguan.gateway.daemon.daemon import Daemon
only_trouble()
daemon = Daemon(Path({str(home)!r}), processes=2)
daemon.start()
while not daemon.workers.ready:
    time.sleep(0.05)
print(*daemon.workers.pids, flush=True)
time.sleep(600)
"""
    gateway = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert gateway.stdout is not None
    (pid,) = map(int, gateway.stdout.readline().split())
    gateway.kill()
    gateway.wait()

    wait_until(lambda: not psutil.pid_exists(pid), "the worker to end")


def test_signals_of_the_group_do_not_end_it_under_the_gateways_hands(home: Path) -> None:
    with running(home) as daemon:
        (pid,) = pids(daemon)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
        drop(home, {f"m{n:03d}.xml": declared(f"r{n}") for n in range(40)})
        done(daemon, 40)

        assert pids(daemon) == [pid]


def test_nothing_but_records_of_the_model_is_made_from_what_a_worker_sends() -> None:
    class Evil:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return os.system, ("true",)

    for thing in (Evil(), Path("x"), subprocess.Popen):
        with pytest.raises(pickle.UnpicklingError, match="does not cross"):
            crossing.believed(pickle.dumps(([], {"a": thing})))


def test_the_words_of_the_model_cross_by_value_on_every_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def as_in_the_first_releases_of_3_11(member: Enum, protocol: int) -> tuple[Any, ...]:
        return getattr, (type(member), member.name)

    monkeypatch.setattr(Enum, "__reduce_ex__", as_in_the_first_releases_of_3_11)
    modules = [importlib.import_module(each.name) for each in pkgutil.iter_modules(model.__path__, f"{model.__name__}.")]
    words = {each for m in modules for each in vars(m).values() if isinstance(each, EnumType) and each.__module__ == m.__name__}
    members = [member for each in words for member in each]

    assert members
    for member in members:
        assert crossing.believed(pickle.dumps(([], {"a": member}))).left == {"a": member}


def test_on_one_core_the_gateway_is_one_process() -> None:
    program = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from tongguan.gateway.daemon.preparing.workers import *"
    said = subprocess.run(
        [sys.executable, "-c", f"{program}; print(usual_processes(), make_workers(None, None, None, None, None, None))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["1", "None"]


def test_numbers_that_were_lent_and_not_given_are_the_next_and_a_clean_stop_leaves_no_gap(home: Path) -> None:
    with running(home) as daemon:
        drop(home, {f"m{n:03d}.xml": declared(f"r{n}") for n in range(200)})
        found = done(daemon, 200)
        with daemon.journal.search() as records:
            documents = records.documents({m.document_id for m in found if m.document_id})
    given = sorted(number for d in documents.values() for number in d.numbers.values())
    with running(home) as daemon:
        drop(home, {"next.xml": declared("next")})
        last = next(m for m in done(daemon, 201) if m.reference == "next")
        with daemon.journal.search() as records:
            (number,) = records.documents([str(last.document_id)])[str(last.document_id)].numbers.values()

    serials = [int("".join(filter(str.isdigit, each))[-6:]) for each in given]
    assert len(set(serials)) == 200
    assert int("".join(filter(str.isdigit, number))[-6:]) <= max(serials) + 64


def volumes_that_wait(daemon: Daemon) -> list[Message]:
    """As many volumes as many hands, some of them in one file, all of which wait for one filing; it is on its way."""
    drop(daemon.site.rules.settings.home, {"q.xml": named(FILING, "q", "<Port>5301</Port><Nature>1</Nature>")})
    done(daemon, 1)
    row = "<FilingNo>q</FilingNo><DecList><CodeTS>0101</CodeTS><GName>马</GName></DecList>"
    files = {f"v{n:03d}.xml": named(VOLUME, f"v{n:03d}", row) for n in range(WAITING - 40)}
    files["all.xml"] = b.batch([etree.fromstring(named(VOLUME, f"w{n}", row)) for n in range(40)], "all")
    drop(daemon.site.rules.settings.home, files)

    def waiting() -> list[Message]:
        found = [m for m in messages(daemon) if m.waiting_for == OTHER]
        return found if len(found) == WAITING else []

    found: list[Message] = wait_until(waiting, "all to wait", moves=lambda: len(messages(daemon)))
    return found


def named(type_: str, reference: str, body: str) -> bytes:
    return f'<{type_} xmlns="urn:tongguan:{type_}:1" operation="declare" reference="{reference}">{body}</{type_}>'.encode()


def approve(daemon: Daemon) -> None:
    """The filing is approved: whatever waits for it is woken."""
    with daemon.journal.read() as records:
        filing = records.document_of_key("demo", FILING, "q")
    assert filing is not None
    approved = replace(filing, status="approved", version=filing.version + 1, changing=None)
    came = submission(state=State.ACCEPTED, lane=None, due_at=None, waits=False)
    written(daemon.journal, comes(came, documents=(approved,)))


def outcomes(daemon: Daemon) -> dict[str, Any]:
    return {
        m.reference: (m.state, m.seal_number, m.lane, [f.code for f in m.faults]) for m in messages(daemon) if m.type == VOLUME
    }


@pytest.mark.requirement("CD-04")
def test_of_many_that_were_woken_a_part_is_prepared_beside_and_comes_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, came = list[State](), {}
    real = workers._Worker._told

    def counted(worker: Any, connection: Any, asked: Any) -> Any:
        chains = real(worker, connection, asked)
        if isinstance(asked.hand, MessageBatch):
            beside.extend(chain[-1].message.state for chain in chains)
        return chains

    monkeypatch.setattr(workers._Worker, "_told", counted)
    for processes in (1, 2):
        with filing_home(tmp_path / str(processes), processes) as daemon:
            volumes_that_wait(daemon)
            approve(daemon)
            done(daemon, WAITING + 1)
            came[processes] = outcomes(daemon)
            assert daemon.journal.verify().broken is None

    assert came[2] == came[1]
    assert Counter(each[0] for each in came[1].values()) == {State.SEALED: WAITING}
    assert State.SEALED in beside  # how many, `bench waking` measures; one that finds no number in hand is decided again


@pytest.mark.long
@pytest.mark.requirement("CD-04")
@pytest.mark.requirement("GW-05")
def test_a_worker_that_is_killed_over_those_that_were_woken_loses_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, killed = workers._Worker._told, list[int]()

    def killing(worker: Any, connection: Any, asked: Any) -> Any:
        if isinstance(asked.hand, MessageBatch) and len(killed) < 2:
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)
        return real(worker, connection, asked)

    monkeypatch.setattr(workers, "Backoff", Impatient)
    monkeypatch.setattr(workers._Worker, "_told", killing)
    with filing_home(tmp_path / "home", 2) as daemon:
        volumes_that_wait(daemon)
        approve(daemon)
        done(daemon, WAITING + 1)

        assert killed
        assert Counter(each[0] for each in outcomes(daemon).values()) == {State.SEALED: WAITING}
        assert daemon.journal.verify().broken is None
        assert not daemon.supervisor.reason


@pytest.mark.requirement("CD-04")
def test_what_the_worker_leaves_of_those_that_were_woken_is_decided_by_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = workers._Worker._told
    monkeypatch.setattr(
        workers._Worker,
        "_told",
        lambda worker, connection, asked: [] if isinstance(asked.hand, MessageBatch) else real(worker, connection, asked),
    )
    with filing_home(tmp_path / "home", 2) as daemon:
        volumes_that_wait(daemon)
        approve(daemon)
        done(daemon, WAITING + 1)

        assert Counter(each[0] for each in outcomes(daemon).values()) == {State.SEALED: WAITING}


def of_licence(id_: str, tonnes: int) -> Outcome:
    """A list that is approved already, and holds so much of the licence."""
    takes = (Take(id_, (TakenLine("lic", "2601111000 070", tonnes * 100_000, None),)),)
    came = submission(state=State.ACCEPTED, lane=None, due_at=None, waits=False)
    return comes(came, documents=(document(id_, type=LIST, status="approved"),), takes=takes)


def test_lists_of_which_another_has_taken_the_rest_of_their_licence_meanwhile_are_decided_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was prepared beside saw a hundred tonnes; when it is written, there is left what half of its lists want."""
    write_types(home / "profiles" / "mofcom")
    real, came = workers._Worker._told, list[int]()
    goods = {"Goods": [{"CodeTS": "2601111000", "Unit": "070", "Quantity": "100"}]}
    licence = document("lic", type=LICENCE, status="approved", content=goods, numbers={"licence": NUMBER}, counted_at=1)

    def overtaken(worker: Any, connection: Any, asked: Any) -> Any:
        chains = real(worker, connection, asked)
        came.append(sum(any(outcome.takes for outcome in chain) for chain in chains))
        if len(came) == 1:
            written(worker._journal, of_licence("other", 100 - came[0] // 2))
        return chains

    monkeypatch.setattr(workers._Worker, "_told", overtaken)
    body = list_body(("2601111000", "070", "1"))
    files = {
        f"l{n:03d}.xml": f'<{LIST} xmlns="urn:tongguan:{LIST}:1" operation="declare" reference="l{n}">{body}</{LIST}>'.encode()
        for n in range(150)
    }
    with running(home) as daemon:
        made = submission(state=State.ACCEPTED, lane=None, due_at=None, waits=False)
        written(daemon.journal, comes(made, documents=(licence,), numbers=(Number(LICENCE, "licence", NUMBER, "lic", "demo"),)))
        drop(home, files)
        found = [m for m in done(daemon, 150) if m.source in files]
        with daemon.journal.read() as records:
            used = records.used_of("lic")

        assert came[0] > came[0] // 2 > 0
        assert Counter(m.state for m in found) == {State.SEALED: came[0] // 2, State.REFUSED: 150 - came[0] // 2}
        assert {f.code for m in found if m.state is State.REFUSED for f in m.faults} == {"GW-F61"}
        assert used == {"2601111000 070": 100 * 100_000}
        assert daemon.journal.verify().broken is None
