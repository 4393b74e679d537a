"""A real endpoint that behaves badly on demand, and the routes that reach it."""

from __future__ import annotations

import asyncio
import base64
import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from patience import here

from tongguan.gateway.settings import Route
from tongguan.routes.event_loop import EventLoop
from tongguan.routes.https import HttpsRoute
from tongguan.routes.reply import ReceiptPage, Reply, reply_to_post
from tongguan.routes.request_queue import WireRequest


class Request(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def wire_id(self) -> str:
        return self.headers.get("message-id", "")


Behaviour = Callable[["Endpoint", Request, asyncio.StreamWriter], Awaitable[None]]


def answer(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    """Behave: answer so, and store nothing."""

    async def behave(endpoint: Endpoint, request: Request, writer: asyncio.StreamWriter) -> None:
        await endpoint.say(writer, status, body, headers)

    return behave


async def drop_after_storing(endpoint: Endpoint, request: Request, writer: asyncio.StreamWriter) -> None:
    endpoint.stored[request.wire_id] = request.body
    writer.transport.abort()


async def drop_unstored(endpoint: Endpoint, request: Request, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def store_and_be_silent(endpoint: Endpoint, request: Request, writer: asyncio.StreamWriter) -> None:
    endpoint.stored[request.wire_id] = request.body
    await asyncio.sleep(here(60))


async def talk_garbage(endpoint: Endpoint, request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n\r\n")
    writer.close()


async def break_off_in_the_answer(endpoint: Endpoint, request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n<Receipt")
    await writer.drain()
    writer.transport.abort()


async def drip_without_end(endpoint: Endpoint, request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.1)


async def answer_in_pieces(endpoint: Endpoint, request: Request, writer: asyncio.StreamWriter) -> None:
    endpoint.stored[request.wire_id] = request.body
    writer.write(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in (b"<Receipt ", b'message="', request.wire_id.encode(), b'"/>'):
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
        await asyncio.sleep(0.05)
    writer.write(b"0\r\n\r\n")


async def pour_without_end(endpoint: Endpoint, request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()
        endpoint.poured += 65536


def take_once(so_many_at_once: int) -> Behaviour:
    """Behave: take none before so many are there together, and give a further one the time to come."""

    async def behave(endpoint: Endpoint, request: Request, writer: asyncio.StreamWriter) -> None:
        while endpoint.most_at_once < so_many_at_once:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        await endpoint.take(request, writer)

    return behave


def take_when(let_go: threading.Event) -> Behaviour:
    """Behave: take it when the test says so."""

    async def behave(endpoint: Endpoint, request: Request, writer: asyncio.StreamWriter) -> None:
        while not let_go.is_set():
            await asyncio.sleep(0.01)
        await endpoint.take(request, writer)

    return behave


@dataclass
class Endpoint:
    """Speaks the wire protocol on a raw socket; `behave` puts something else in the way of one message or of all (`""`)."""

    tls: ssl.SSLContext | None = None
    stored: dict[str, bytes] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    behave: dict[str, Behaviour] = field(default_factory=dict)
    issued: list[bytes] = field(default_factory=list)
    connections: int = 0
    at_once: int = 0
    most_at_once: int = 0
    poured: int = 0
    port: int = 0

    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.open(), self.loop).result()

    async def open(self) -> None:
        self.server = await asyncio.start_server(self.converse, "127.0.0.1", self.port, ssl=self.tls, limit=1 << 26)
        self.port = self.server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Hang up and refuse connections; a second time does nothing."""
        if self.loop.is_running():
            asyncio.run_coroutine_threadsafe(self.end(), self.loop).result()
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()

    async def end(self) -> None:
        self.server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                request = await self.listen(reader)
                self.requests.append(request)
                self.at_once += 1
                self.most_at_once = max(self.at_once, self.most_at_once)
                try:
                    behave = self.behave.get(request.wire_id) or self.behave.get("")
                    await (behave(self, request, writer) if behave else self.reply(request, writer))
                    await writer.drain()
                finally:
                    self.at_once -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @staticmethod
    async def listen(reader: asyncio.StreamReader) -> Request:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        return Request(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))

    async def reply(self, request: Request, writer: asyncio.StreamWriter) -> None:
        place = urlsplit(request.target)
        if request.method == "POST":
            await self.take(request, writer)
        elif place.path == "/v1/receipts":
            await self.page(parse_qs(place.query, keep_blank_values=True), writer)
        elif place.path == "/v1/health":
            await self.say(writer, 200, b"")
        else:
            wire_id = unquote(place.path.removeprefix("/v1/messages/"))
            await (self.say(writer, 200, receipt(wire_id)) if wire_id in self.stored else self.say(writer, 404, b""))

    async def take(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.stored[request.wire_id] = request.body
        await self.say(writer, 202, receipt(request.wire_id))

    async def page(self, asked: dict[str, list[str]], writer: asyncio.StreamWriter) -> None:
        start, limit = int(asked["after"][0] or 0), int(asked["limit"][0])
        until = self.loop.time() + int(asked["wait"][0])
        while not self.issued[start:] and self.loop.time() < until:
            await asyncio.sleep(0.01)
        some = self.issued[start : start + limit]
        page = {"receipts": [base64.b64encode(one).decode() for one in some], "next": str(start + len(some))}
        await self.say(writer, 200, json.dumps(page).encode())

    @staticmethod
    async def say(writer: asyncio.StreamWriter, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        told = {"Content_Length": str(len(body)), **(headers or {})}
        lines = [f"HTTP/1.1 {status} so", *(f"{name.replace('_', '-')}: {value}" for name, value in told.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()


def receipt(wire_id: str) -> bytes:
    return f'<Receipt kind="technical" message="{wire_id}"/>'.encode()


@dataclass
class Authority:
    """A certification authority made for one test run."""

    folder: Path

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._builder(self.name, self.key).add_extension(constraints, critical=True).sign(self.key, hashes.SHA256())
        (self.folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> Path:
        """Certificate and key of `name`, valid for 127.0.0.1, in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = self._builder(subject, key).add_extension(here, critical=False).sign(self.key, hashes.SHA256())
        file = self.folder / f"{name}.pem"
        plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + plain)
        return file

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )


def settings(url: str, **more: object) -> Route:
    return Route.model_validate({"environment": "test", "url": url, "certificates": (), "timeout": f"{here(1):.1f}s", **more})


class OneByOne(HttpsRoute):
    """A route that is given one message at a time, by threads that wait."""

    def submit(self, wire_id: str, body: bytes) -> Future[Reply]:
        future: Future[Reply] = Future()
        self._line.join((WireRequest(wire_id, self._messages, body, reply_to_post, future.set_result),))
        return future

    def ask(self, wire_id: str) -> Reply:
        return self.submit_ask(wire_id).result()

    def receipts(self, account: str, after: str, limit: int, wait: timedelta) -> ReceiptPage:
        return self.call(self.poll(account, after, limit=limit, wait=wait)).result()


@dataclass
class Kit:
    """One transport under test: its route, the other side, and how to close the other side's door."""

    route: OneByOne
    endpoint: Endpoint


@pytest.fixture
def wire() -> Iterator[EventLoop]:
    with EventLoop() as wire:
        yield wire


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    endpoint.start()
    yield endpoint
    endpoint.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def tls_endpoint(authority: Authority) -> Iterator[Endpoint]:
    """An endpoint that demands a client certificate of the test authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("endpoint"))
    context.load_verify_locations(authority.folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    endpoint = Endpoint(tls=context)
    endpoint.start()
    yield endpoint
    endpoint.stop()


@pytest.fixture
def strict_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python's own rules of TLS ask since 3.13, whichever version runs."""
    made = ssl.create_default_context

    def stricter(*given: Any, **named: Any) -> ssl.SSLContext:
        context = made(*given, **named)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", stricter)


@pytest.fixture(params=["http", "https"])
def kit(request: pytest.FixtureRequest, wire: EventLoop, authority: Authority) -> Kit:
    if request.param == "http":
        endpoint = request.getfixturevalue("endpoint")
        return Kit(OneByOne("customs", settings(f"http://127.0.0.1:{endpoint.port}"), Path("/nowhere"), wire), endpoint)
    endpoint = request.getfixturevalue("tls_endpoint")
    client = authority.issue("enterprise").name
    ours = settings(f"https://127.0.0.1:{endpoint.port}", ca="ca.pem", client_certificate=client)
    return Kit(OneByOne("customs", ours, authority.folder, wire), endpoint)


class Behaviours:
    """The bad manners above, for tests that cannot import them."""

    answer = staticmethod(answer)
    drop_after_storing = staticmethod(drop_after_storing)
    drop_unstored = staticmethod(drop_unstored)
    store_and_be_silent = staticmethod(store_and_be_silent)
    talk_garbage = staticmethod(talk_garbage)
    break_off_in_the_answer = staticmethod(break_off_in_the_answer)
    drip_without_end = staticmethod(drip_without_end)
    answer_in_pieces = staticmethod(answer_in_pieces)
    pour_without_end = staticmethod(pour_without_end)
    take_once = staticmethod(take_once)
    take_when = staticmethod(take_when)


@pytest.fixture
def behaviours() -> type[Behaviours]:
    return Behaviours


@pytest.fixture
def new_route(wire: EventLoop, tmp_path: Path) -> Callable[..., OneByOne]:
    """Makes a route from an address and settings."""
    return lambda url, **more: OneByOne("customs", settings(url, **more), tmp_path, wire)
