"""The broker misbehaves, and so does what lies between: nothing is lost, nothing done twice, it is told, and goes on by itself."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import bodies as b
import pytest
from own_broker import OwnBroker, SilentLine, own_broker
from patience import here
from queue_desk import QueueSite, envelope, fresh_id, open_queue_site
from sites import wait_until
from test_full_disk import fill

pytestmark = [pytest.mark.requirement("GW-02"), pytest.mark.requirement("GW-08")]
MANY = 40
WITHIN = 10.0  #: seconds after the broker's return


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    """A broker of this file's own: others test on while it is down."""
    with own_broker(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.fixture(scope="module")
def queues(broker: OwnBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueSite]:
    made = open_queue_site(tmp_path_factory.mktemp("queues"), "", url=broker.url)
    made.run()
    yield made
    made.site.stop("run")


@pytest.fixture
def well(queues: QueueSite, broker: OwnBroker) -> QueueSite:
    """As the first test finds it."""
    queues.well("broker")
    return queues


def own_host(broker: OwnBroker, name: str) -> str:
    """The address of another virtual host: a gateway beside the file's own takes nothing of that one's."""
    assert broker.order("add_vhost", name).returncode == 0
    assert broker.order("set_permissions", "-p", name, "guest", ".*", ".*", ".*").returncode == 0
    return f"{broker.url.removesuffix('//')}/{name}"


def orders(word: str, many: int = MANY) -> tuple[dict[str, object], list[str]]:
    """So many messages by their ids, and their references."""
    references = [b.fresh(word) for _ in range(many)]
    told = {fresh_id(): envelope(b.xml(b.application("save", reference=r)), name=f"{r}.xml") for r in references}
    return told, references


class Sending:
    """An enterprise that sends while the test does something else."""

    def __init__(self, queues: QueueSite, word: str, many: int = MANY) -> None:
        told, self.references = orders(word, many)
        self._thread = threading.Thread(target=queues.insist, args=(told,), daemon=True)
        self._queues = queues

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(here(120))

    def done_soon(self) -> None:
        """Each has done its work, once, within seconds of now."""
        began = time.monotonic()
        wait_until(lambda: self._queues.done(self.references), "each to be done")
        assert time.monotonic() - began < here(WITHIN)


def probe(queues: QueueSite) -> None:
    """A message goes through within seconds of now."""
    began = time.monotonic()
    told, references = orders("probe", 1)
    queues.insist(told)
    wait_until(lambda: queues.done(references), "it to be done")
    assert time.monotonic() - began < here(WITHIN)


@pytest.mark.long
def test_a_broker_that_is_restarted_loses_nothing(well: QueueSite, broker: OwnBroker) -> None:
    with Sending(well, "stop") as sending:
        wait_until(lambda: well.about(sending.references[0]), "the first to come")
        broker.stop()
        assert "连接" in well.problem("broker")["text"]
        assert "broker" in well.site.command("status").stdout
        broker.start()
        probe(well)
    sending.done_soon()
    well.well("broker")


@pytest.mark.long
def test_a_broker_that_is_killed_loses_nothing(well: QueueSite, broker: OwnBroker) -> None:
    with Sending(well, "kill") as sending:
        wait_until(lambda: well.about(sending.references[0]), "the first to come")
        broker.stop(kill=True)
        broker.start()
        probe(well)
    sending.done_soon()


def test_connections_that_are_cut_again_and_again_lose_nothing(well: QueueSite, broker: OwnBroker) -> None:
    with Sending(well, "cut") as sending:
        for _ in range(3):
            broker.cut_connections()
            time.sleep(0.2)
    sending.done_soon()


def test_a_gateway_that_is_killed_does_each_once(well: QueueSite) -> None:
    told, references = orders("kill9", 200)
    well.insist(told)
    wait_until(lambda: well.about(references[20]), "some to be done")

    well.site.stop("run", kill=True)
    well.run()

    wait_until(lambda: well.done(references), "each to be done, once")


def test_a_queue_that_is_deleted_is_made_again(well: QueueSite, broker: OwnBroker) -> None:
    def tended() -> bool:
        told = broker.order("list_queues", "name", "consumers", "--no-table-headers").stdout
        return f"{well.queue}\t1" in told

    assert broker.order("delete_queue", well.queue).returncode == 0
    wait_until(tended, "the queue to be there again")

    probe(well)


@pytest.mark.long
def test_a_permission_that_is_taken_is_told_by_name_and_holds_up_nothing_else(well: QueueSite, broker: OwnBroker) -> None:
    broker.allow(read="nothing", configure="nothing")
    broker.cut_connections()
    wait_until(lambda: "set_permissions" in well.problem("broker")["text"], "it to be told by name")
    told = well.problem("broker")
    reference = b.fresh("file")
    well.site.drop(b.xml(b.application("save", reference=reference)), name=f"{reference}.xml")
    well.site.wait(f"{reference}.xml", "accepted")
    broker.allow()

    assert "set_permissions" in told["text"]
    assert told["do"].startswith("tongguan doctor")
    probe(well)
    well.well("broker")


@pytest.mark.long
def test_while_the_broker_lacks_memory_what_waits_is_taken_and_the_unreadable_waits(well: QueueSite, broker: OwnBroker) -> None:
    told, references = orders("alarm", 10)
    well.insist(told)
    wait_until(lambda: well.done(references), "them to be done")
    broker.allow(read="nothing", configure="nothing")
    broker.cut_connections()
    well.problem("broker")
    well.send(b"no JSON")
    more, later = orders("alarm", 10)
    well.insist(more)
    broker.starve()
    broker.allow()

    wait_until(lambda: "内存" in "".join(p["text"] for p in well.problems() if p["code"] == "broker"), "the lack to be told")
    broker.feed()

    wait_until(lambda: well.done(later), "the others to be done")
    wait_until(
        lambda: (
            int(
                broker.order("list_queues", "name", "messages", "--no-table-headers")
                .stdout.split("tongguan.dead\t")[1]
                .split()[0]
            )
            >= 1
        ),
        "it among the dead",
    )
    well.well("broker")
    assert len(well.dead()) == 1


@pytest.mark.long
def test_a_line_that_falls_silent_is_given_up_and_another_one_made(broker: OwnBroker, tmp_path: Path) -> None:
    line = SilentLine(broker.port)
    address = own_host(broker, "silent").replace(str(broker.port), str(line.port))
    queues = open_queue_site(tmp_path, "", url=address)
    try:
        queues.run()
        line.fall_silent()
        probe(queues)  # over another line

        line.fall_silent(altogether=True)
        told, references = orders("silent")
        queues.url = queues.url.replace(str(line.port), str(broker.port))
        queues.insist(told)
        wait_until(lambda: "应答" in queues.problem("broker")["text"], "a line that was made meanwhile to be given up")
        line.come_back()
        began = time.monotonic()
        wait_until(lambda: queues.done(references), "them to be done")
        assert time.monotonic() - began < here(WITHIN)
        queues.well("broker")
    finally:
        queues.site.stop("run")
        line.close()


def test_a_full_disk_leaves_messages_in_the_broker_and_files_in_outbox_until_there_is_room(
    broker: OwnBroker, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", disk], capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    small = open_queue_site(disk, "", url=own_host(broker, "full"))
    try:
        small.run()
        told, references = orders("full")
        full = fill(small.site.home)
        small.insist(told)
        late = b.fresh("late")
        part = small.site.mailbox / "OutBox" / f"{late}.xml"
        full.unlink()
        part.write_bytes(b.xml(b.application("save", reference=late)))

        wait_until(lambda: small.done([*references, late]), "each to be done, once")
        small.well("pressure")
    finally:
        for process in list(small.site.processes):
            small.site.stop(process, kill=True)
        subprocess.run(["umount", "-l", disk], check=True)
