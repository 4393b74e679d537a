"""A connection to the broker: what it promises to doors, replies and events, on the real ones."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import amqp
import brokers
import pytest
import redis
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from own_broker import SilentLine

from tongguan.gateway.model.errors import BrokerBroken, SettingsWrong
from tongguan.gateway.model.queueing import BrokerLink, OutgoingMessage, PublishResult
from tongguan.gateway.settings import Broker
from tongguan.routes.broker import redis_link
from tongguan.routes.broker.broker import make_broker

CONFIRMED, RETURNED = PublishResult.CONFIRMED, PublishResult.RETURNED


def linked(url: str, **more: Any) -> BrokerLink:
    broker = make_broker(Broker(url=url, **more), Path("."))
    assert broker is not None
    return broker.connect("test")


@pytest.fixture(scope="module")
def rabbit() -> Iterator[str]:
    with brokers.virtual_host() as name:
        yield brokers.address_of(name)


@pytest.fixture(scope="module", params=["rabbit", "redis", "memory"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "rabbit":
        return str(request.getfixturevalue("rabbit"))
    if request.param == "redis":
        brokers.redis_is_there()
        return f"redis://{brokers.REDIS[0]}:{brokers.REDIS[1]}/9"
    return "memory://"


@pytest.fixture
def link(url: str) -> Iterator[BrokerLink]:
    made = linked(url)
    yield made
    made.close()


def test_what_is_published_comes_as_it_was_in_order_and_stays_until_it_is_acknowledged(url: str, link: BrokerLink) -> None:
    link.declare_queue("one")
    sent = [OutgoingMessage(bytes([n]), "one", message_id=f"m{n}", reply_to="back", correlation_id=f"c{n}") for n in range(5)]

    assert link.publish(sent) == [CONFIRMED] * 5
    taker = linked(url)
    taker.consume("one", prefetch=10)
    first = taker.receive(most=10, most_bytes=1000, wait=5)
    assert [(m.body, m.message_id, m.reply_to, m.correlation_id) for m in first] == [
        (bytes([n]), f"m{n}", "back", f"c{n}") for n in range(5)
    ]
    taker.acknowledge(first[:2])
    taker.close()
    if url == "memory://":
        return  # it forgets what was taken: for tests alone
    link.consume("one", prefetch=10)
    again = link.receive(most=10, most_bytes=1000, wait=5)
    link.acknowledge(again)

    assert sorted(m.message_id for m in again) == ["m2", "m3", "m4"]
    assert all(m.redelivered for m in again)


def test_no_more_is_taken_in_than_was_asked_for(link: BrokerLink) -> None:
    link.declare_queue("two")
    link.publish([OutgoingMessage(b"x" * 1000, "two") for _ in range(10)])
    link.consume("two", prefetch=10)

    few = link.receive(most=3, most_bytes=100_000, wait=5)
    heavy = link.receive(most=100, most_bytes=2500, wait=5)
    rest = link.receive(most=100, most_bytes=100_000, wait=5)

    assert [len(few), len(heavy), len(rest)] == [3, 3, 4]
    link.acknowledge([*rest, *few, *heavy])
    assert link.receive(most=1, most_bytes=1, wait=0.05) == []


def test_what_says_that_it_is_compressed_is_not_unpacked(link: BrokerLink) -> None:
    bomb = zlib.compress(b"\0" * 10_000_000)
    link.declare_queue("three")
    link.publish([OutgoingMessage(bomb, "three", headers={"compression": "application/x-gzip"})])
    link.consume("three", prefetch=10)

    (came,) = link.receive(most=1, most_bytes=1, wait=5)

    assert (came.body, came.compression) == (bomb, "application/x-gzip")
    link.acknowledge([came])


def test_what_is_taken_from_redis_is_in_hand_in_the_same_step_and_comes_again_when_who_took_it_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    brokers.redis_is_there()
    url = f"redis://{brokers.REDIS[0]}:{brokers.REDIS[1]}/13"
    store = redis.Redis(*brokers.REDIS, db=13)
    store.flushdb()
    store.rpush("four", b"no JSON \xff")
    maker, taker = linked(url), linked(url)
    maker.publish([OutgoingMessage(b"%d" % n, "four", message_id=f"m{n}") for n in range(5)])
    asked = []
    with store.monitor() as monitor:
        taker.consume("four", prefetch=3)
        came = taker.receive(most=10, most_bytes=1000, wait=5)
        while "ZADD" not in str(asked):
            asked.append(monitor.next_command())

    assert [m.message_id for m in came] == ["m0", "m1", "m2"], "no more than may be in hand"
    assert {told["client_type"] for told in asked if told["command"].startswith(("RPOP", "BRPOP", "ZADD"))} == {"lua"}
    assert (store.hlen("tongguan.unacknowledged"), store.llen("four")) == (3, 2)
    assert store.lrange("four.unreadable", 0, -1) == [b"no JSON \xff"]
    taker.acknowledge(came[:1])
    taker._taker._tags.clear()  # type: ignore[attr-defined]  # it dies, and gives nothing back
    taker.close()

    monkeypatch.setattr(redis_link, "LEASE", 0)
    other = linked(url)
    other.consume("four", prefetch=10)
    rest: list[str] = []
    while len(rest) < 4:
        some = other.receive(most=10, most_bytes=1000, wait=1)
        other.acknowledge(some)
        rest += [m.message_id for m in some]
    assert sorted(rest) == ["m1", "m2", "m3", "m4"]
    assert store.hlen("tongguan.unacknowledged") == 0
    for each in (maker, other):
        each.close()


@pytest.fixture
def store() -> Iterator[Any]:
    """A database of Redis for one test, with nothing in it."""
    brokers.redis_is_there()
    made = redis.Redis(*brokers.REDIS, db=13)
    made.flushdb()
    yield made
    made.flushdb()


REDIS = f"redis://{brokers.REDIS[0]}:{brokers.REDIS[1]}/13"


def taken(queue: str = "five", url: str = REDIS) -> list[str]:
    """Take all that there is, and have it for good; their ids."""
    link = linked(url)
    try:
        link.consume(queue, prefetch=100)
        came = link.receive(most=100, most_bytes=1_000_000, wait=0.2)
        link.acknowledge(came)
    finally:
        link.close()
    return [message.message_id for message in came]


def put(queue: str, *ids: str) -> None:
    maker = linked(REDIS)
    maker.publish([OutgoingMessage(b"x", queue, message_id=id_) for id_ in ids])
    maker.close()


@pytest.mark.parametrize("lacks", ["zadd", "hset", "rpop", "hdel", "lindex"])
def test_a_user_of_redis_without_the_right_to_take_leaves_every_message_in_its_list(store: Any, lacks: str) -> None:
    put("five", "m0", "m1")
    store.execute_command("ACL", "SETUSER", "tongguan-few", "reset", "on", ">word", "~*", "+@all", f"-{lacks}")
    try:
        with pytest.raises(BrokerBroken, match="ACL SETUSER"):
            taken(url=REDIS.replace("//", "//tongguan-few:word@"))
    finally:
        store.acl_deluser("tongguan-few")

    assert store.llen("five") == 2
    assert store.hlen("tongguan.unacknowledged") <= (lacks == "hdel"), "no note of each try"
    assert taken() == ["m0", "m1"]


def test_the_rights_that_doctor_and_the_page_name_are_enough(store: Any) -> None:
    rights = ("~tongguan.*", "~_kombu.*", "+@all", "-@admin", "-@dangerous")
    store.execute_command("ACL", "SETUSER", "tongguan-fit", "reset", "on", ">word", *rights)
    url = REDIS.replace("//", "//tongguan-fit:word@")
    try:
        link = linked(url)
        link.declare_queue("tongguan.dead")
        link.declare_submissions("tongguan.submit.demo")
        link.declare_events()
        told = link.publish([OutgoingMessage(b"x", key) for key in ("tongguan.submit.demo", "elsewhere", "tongguan.dead")])
        link.close()
        came = taken("tongguan.submit.demo", url)
    finally:
        store.acl_deluser("tongguan-fit")

    assert told == [CONFIRMED, PublishResult.REJECTED, CONFIRMED], "what may not be written to is that message's trouble alone"
    assert len(came) == 1


@pytest.mark.parametrize("note", ["tongguan.unacknowledged", "tongguan.unacknowledged.index", "five.unreadable"])
def test_a_note_that_cannot_be_written_costs_no_message_of_redis(store: Any, note: str) -> None:
    store.rpush("five", b"no JSON")
    put("five", "m0")
    store.set(note, "of another type")
    with contextlib.suppress(BrokerBroken):
        taken()
    store.delete(note)

    assert [*taken(), *taken()].count("m0") == 1
    assert store.lrange("five.unreadable", 0, -1) == [b"no JSON"]


def test_a_key_of_redis_that_is_no_list_is_told_of_and_holds_up_no_other(store: Any) -> None:
    store.sadd("six", "x")
    link = linked(REDIS)

    assert link.publish([OutgoingMessage(b"x", key) for key in ("five", "six", "five")]) == [
        CONFIRMED,
        PublishResult.REJECTED,
        CONFIRMED,
    ]
    with pytest.raises(BrokerBroken, match="no list"):
        link.declare_queue("six")
    link.close()


@pytest.mark.parametrize(
    "odd",
    [
        b'{"body": "eA==", "properties": {"delivery_tag": "1", "body_encoding": "base64"}}',
        b'{"body": "eA==", "headers": [], "properties": {}}',
        b'{"n": 12345678901234567890123}',
        b'{"headers": {"x": "\xff"}}',
    ],
)
@pytest.mark.parametrize("killed", [True, False])
def test_what_is_given_back_to_redis_is_not_lost_whatever_it_is(
    store: Any, odd: bytes, killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.rpush("five", odd)
    link = linked(REDIS)
    link.consume("five", prefetch=10)
    assert len(link.receive(most=1, most_bytes=1, wait=1)) == 1
    if killed:
        link._taker._tags.clear()  # type: ignore[attr-defined]
    link.close()
    monkeypatch.setattr(redis_link, "LEASE", 0)
    again = linked(REDIS)
    again.consume("five", prefetch=10)
    came: list[Any] = []
    while not came:
        came += again.receive(most=1, most_bytes=1, wait=1)
    again.acknowledge(came)
    again.close()

    assert (store.llen("five"), store.hlen("tongguan.unacknowledged")) == (0, 0)


def test_what_another_program_has_in_hand_in_the_same_database_stays_there(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store.hset("unacked", "tag", '[{"body": "x", "headers": {}, "properties": {"delivery_info": {}}}, "", "celery"]')
    store.zadd("unacked_index", {"tag": 1})
    monkeypatch.setattr(redis_link, "LEASE", 0)
    taken()

    assert (store.hlen("unacked"), store.llen("celery")) == (1, 0)


def test_the_exchange_of_a_database_that_was_emptied_leads_to_the_queue_again(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = linked(REDIS)
    link.declare_submissions("seven")
    link.consume("seven", prefetch=10)
    store.flushdb()
    link.receive(most=1, most_bytes=1, wait=0.2)
    link.publish([OutgoingMessage(b"x", "seven", exchange="seven")])
    came = link.receive(most=1, most_bytes=1, wait=1)
    link.acknowledge(came)
    link.close()

    assert len(came) == 1


def test_what_has_properties_that_nobody_can_read_comes_as_such_and_the_next_one_as_it_is(rabbit: str) -> None:
    maker = linked(rabbit)
    maker.declare_queue("bad")
    channel = maker._channel  # type: ignore[attr-defined]
    channel.basic_publish(amqp.Message(b"bad", reply_to=b"\xff"), routing_key="bad")
    maker.publish([OutgoingMessage(b"good", "bad", message_id="m")])
    maker.consume("bad", prefetch=10)

    came = list(maker.receive(most=2, most_bytes=1000, wait=5))
    came += maker.receive(most=1, most_bytes=1000, wait=5) if len(came) < 2 else ()
    maker.acknowledge(came)
    maker.close()

    assert [(m.body, m.readable, m.message_id) for m in came] == [(b"bad", False, ""), (b"good", True, "m")]


def test_each_message_without_a_queue_is_told_and_no_other(rabbit: str) -> None:
    link = linked(rabbit)
    link.declare_queue("there")
    keys = ["there", "nowhere", "there", "nowhere", "there"] * 100

    results = link.publish([OutgoingMessage(b"x", key) for key in keys])

    assert results == [CONFIRMED if key == "there" else RETURNED for key in keys]
    assert link.publish([OutgoingMessage(b"x", "nowhere", must_route=False)]) == [CONFIRMED]
    depth = link.depth("there")
    assert (link.depth("nowhere"), depth and depth.messages) == (None, 300)
    link.close()


def test_a_queue_is_replicated_and_one_that_is_there_in_another_shape_is_used_as_it_is(rabbit: str) -> None:
    link = linked(rabbit)
    link.declare_queue("kept")
    virtual_host = rabbit.rsplit("/", 1)[1]
    brokers.evaluate(
        f'rabbit_amqqueue:declare(rabbit_misc:r(<<"{virtual_host}">>, queue, <<"plain">>), true, false, [], none, <<"tests">>).'
    )

    link.declare_queue("plain")
    told = brokers.control("list_queues", "-p", virtual_host, "name", "type", "durable", "--no-table-headers")

    shapes = {line.split("\t")[0]: line.split("\t")[1:] for line in told.splitlines()}
    assert shapes["kept"] == ["quorum", "true"]
    assert shapes["plain"] == ["classic", "true"]
    link.close()


class Encrypting:
    """A listener with TLS before the broker, as a broker with TLS is."""

    def __init__(self, folder: Path, authority: Any, broker: tuple[str, int] = brokers.ADDRESS) -> None:
        self._broker = broker
        issued = authority.issue("broker").read_bytes()
        end = issued.index(b"-----BEGIN PRIVATE")
        (folder / "ca.pem").write_bytes((authority.folder / "ca.pem").read_bytes())
        (folder / "broker.pem").write_bytes(issued[:end])
        (folder / "broker.key").write_bytes(issued[end:])
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "broker.pem", folder / "broker.key")
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near = self._context.wrap_socket(self._door.accept()[0], server_side=True)
            except ssl.SSLError:
                continue  # who does not believe us
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: ssl.SSLSocket) -> None:
        with near, socket.create_connection(self._broker) as far, selectors.DefaultSelector() as waiting, suppress(OSError):
            for each in (near, far):
                waiting.register(each, selectors.EVENT_READ)
            while True:
                ready = [near] if near.pending() else [key.fileobj for key, _ in waiting.select()]
                for source, target in ((near, far), (far, near)):
                    if source in ready:
                        if not (raw := source.recv(65536)):
                            return
                        target.sendall(raw)

    def close(self) -> None:
        self._door.close()


@pytest.mark.usefixtures("strict_defaults")
@pytest.mark.parametrize("kind", ["rabbit", "redis"])
def test_over_tls_the_brokers_certificate_is_held_against_the_one_that_is_named(
    rabbit: str, tmp_path: Path, authority: Any, kind: str
) -> None:
    if kind == "redis":
        brokers.redis_is_there()
    listener = Encrypting(tmp_path, authority, brokers.REDIS if kind == "redis" else brokers.ADDRESS)
    url = f"rediss://127.0.0.1:{listener.port}/13"
    if kind == "rabbit":
        url = rabbit.replace("amqp://", "amqps://").replace(":5672/", f":{listener.port}/")
    try:
        broker = make_broker(Broker(url=url, ca="ca.pem"), tmp_path)
        assert broker is not None
        link = broker.connect("test")
        link.declare_queue("sealed")
        assert link.publish([OutgoingMessage(b"x" * 300_000, "sealed")]) == [CONFIRMED]
        link.consume("sealed", prefetch=1)
        (came,) = link.receive(most=10, most_bytes=10, wait=5)
        assert came.body == b"x" * 300_000
        link.acknowledge([came])
        link.close()

        with pytest.raises(BrokerBroken, match="no TLS with it"):
            linked(url)
    finally:
        listener.close()
    with pytest.raises(SettingsWrong, match="ca, certificate or key"):
        make_broker(Broker(url=url, ca="none.pem"), tmp_path)


@pytest.mark.parametrize("file", ["broker.pem", "broker.key"])
def test_a_certificate_that_is_spoiled_while_it_is_used_is_trouble_with_the_broker_until_it_is_mended(
    tmp_path: Path, authority: Any, file: str
) -> None:
    """And no fault of the program: three of those within a minute end the gateway."""
    Encrypting(tmp_path, authority).close()
    told = Broker(url="amqps://127.0.0.1:1/", ca="ca.pem", certificate="broker.pem", key="broker.key")
    broker = make_broker(told, tmp_path)
    assert broker is not None
    (tmp_path / file).rename(tmp_path / "aside")
    for spoiled in (None, b"x"):
        if spoiled is not None:
            (tmp_path / file).write_bytes(spoiled)
        with pytest.raises(BrokerBroken, match="ca, certificate or key of broker cannot be used"):
            broker.connect("test")
    (tmp_path / "aside").rename(tmp_path / file)

    with pytest.raises(BrokerBroken, match="connection is refused"):
        broker.connect("test")


def test_a_key_with_a_password_is_told_and_nobody_is_asked_for_it(tmp_path: Path, authority: Any) -> None:
    Encrypting(tmp_path, authority).close()
    key = serialization.load_pem_private_key((tmp_path / "broker.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    how = serialization.BestAvailableEncryption(b"hush")
    (tmp_path / "broker.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, how)
    )

    with pytest.raises(SettingsWrong, match=r"broker\.key has a password"):
        make_broker(Broker(url="amqps://127.0.0.1:1/", certificate="broker.pem", key="broker.key"), tmp_path)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("amqp://guest:wrong@127.0.0.1:5672//", "user or password is refused"),
        ("amqp://guest:guest@127.0.0.1:5672/of-nobody", "no such virtual host"),
        ("amqp://guest:guest@127.0.0.1:1//", "the connection is refused"),
        ("amqp://guest:guest@no.such.machine.invalid//", "no machine of this name is found"),
    ],
)
def test_why_there_is_no_connection_is_told_in_words_without_the_password(url: str, says: str) -> None:
    brokers.rabbit_is_there()

    with pytest.raises(BrokerBroken) as told:
        linked(url)

    assert says in told.value.en
    assert "wrong" not in told.value.en.replace("address is wrong", "")
    assert told.value.zh != told.value.en


def test_the_password_is_what_a_file_or_the_environment_holds(
    rabbit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("guest\n")
    monkeypatch.setenv("BROKER_PASSWORD", "guest")
    bare = rabbit.replace("guest:guest@", "")

    for reference in ("file:secret", "env:BROKER_PASSWORD"):
        broker = make_broker(Broker(url=bare, user="guest", password=reference), tmp_path)
        assert broker is not None
        broker.connect("test").close()
    for reference, says in (("guest", "file:PATH or env:NAME"), ("file:none", "cannot be read"), ("env:NO_SUCH", "is empty")):
        with pytest.raises(SettingsWrong, match=says):
            make_broker(Broker(url=bare, user="guest", password=reference), tmp_path)


@pytest.mark.requirement("GW-02")
@pytest.mark.parametrize("kind", ["amqp", "redis"])
def test_a_port_that_ends_the_connection_at_once_is_perhaps_the_one_with_tls(kind: str) -> None:
    def end_at_once() -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listener.accept()
                caller.recv(1)
                caller.close()

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=end_at_once, daemon=True).start()
    try:
        with pytest.raises(BrokerBroken, match="is a broker there, with or without TLS as the address says"):
            linked(f"{kind}://127.0.0.1:{listener.getsockname()[1]}/0")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.requirement("GW-02")
def test_a_password_is_what_an_editor_saved_without_its_marks(rabbit: str, tmp_path: Path) -> None:
    bare = rabbit.replace("guest:guest@", "")

    for raw in (b"\xef\xbb\xbfguest\r\n", "guest\r\n".encode("utf-16"), b"guest\n\n"):
        (tmp_path / "secret").write_bytes(raw)
        broker = make_broker(Broker(url=bare, user="guest", password="file:secret"), tmp_path)
        assert broker is not None
        broker.connect("test").close()


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"one\ntwo\n", "more than one line"),
        (b"a\0b", "more than one line, or signs that no password has"),
        ("密码".encode("gb18030"), "no UTF-8"),
        (b"x" * 5000, "more than 4096 bytes"),
        (b"\xef\xbb\xbf\r\n", "is empty"),
    ],
)
def test_a_file_that_holds_no_password_is_told_before_anybody_connects(tmp_path: Path, raw: bytes, says: str) -> None:
    (tmp_path / "secret").write_bytes(raw)

    with pytest.raises(SettingsWrong, match=says) as told:
        make_broker(Broker(url="amqp://h/", user="guest", password="file:secret"), tmp_path)

    assert told.value.zh != told.value.en and "secret" in told.value.en


def test_a_broker_that_falls_silent_within_an_answer_is_given_up_after_the_timeout(rabbit: str) -> None:
    line = SilentLine(brokers.ADDRESS[1])
    link = linked(rabbit.replace(f":{brokers.ADDRESS[1]}/", f":{line.port}/"), timeout=timedelta(seconds=1))
    line.carry_only(from_broker=10)  # the head of a frame, and not all that it says will come

    with pytest.raises(BrokerBroken, match="does not answer"):
        link.depth("any")
    line.close()


def test_a_connection_that_the_management_cuts_is_told_and_the_next_one_works(rabbit: str) -> None:
    link = linked(rabbit)
    link.declare_queue("cut")
    link.consume("cut", prefetch=10)
    brokers.evaluate(
        '[rabbit_networking:close_connection(Pid, "for a test") || Pid <- rabbit_networking:connections(), proplists:get_value(vhost, rabbit_networking:connection_info(Pid, [vhost])) =:= <<"'
        + rabbit.rsplit("/", 1)[1]
        + '">>].'
    )

    with pytest.raises(BrokerBroken, match=r"ended the connection|connection is gone"):
        link.receive(most=1, most_bytes=1, wait=5)

    again = linked(rabbit)
    assert again.depth("cut") is not None
    again.close()
