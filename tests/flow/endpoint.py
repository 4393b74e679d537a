"""An authority in the test's own hands: it speaks the wire protocol and does with each message what the test says.

Its receipts are signed with the authority's key of the home, or with whatever the test likes better.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lxml import etree
from patience import STILL, here
from sites import Site, make_site

from tongguan.gateway.home.home import CODES, change_settings
from tongguan.simulators.messages.signing import Sealer, load_sealer
from tongguan.simulators.script.durations import stamp
from tongguan.simulators.server.clock import Clock

RECEIPT = "urn:tongguan:receipt:1"
_reference = re.compile(rb'reference="([^"]*)"')
_type = re.compile(rb"<message_type>([^<]*)</message_type>")
_precheck = re.compile(rb'kind="precheck"')
_sender = re.compile(rb"<sender_id>([^<]*)</sender_id>")
_counter = itertools.count()


@dataclass(frozen=True)
class Call:
    """One request as it came."""

    what: str  #: post | ask | query
    message_id: str
    reference: str
    body: bytes
    at: float


@dataclass
class Endpoint:
    """One authority; `says[reference]` are the answers to the next tries of a message: take (when the list is used up),
    refuse, 503, busy (503 with Retry-After 1), lose (no answer, nothing kept), drop (kept, no answer), forged, corrupt,
    garbage, slow (a second late), later (when the test lets it go); or attributes that the answer's receipt has instead of its own,
    the true one being kept."""

    authority: str
    sealer: Sealer
    stranger: Sealer
    says: dict[str, list[str | dict[str, Any]]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    kept: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)  #: wire id: what came, and the technical receipt
    #: how it answers the question for the edition of a licence
    prechecked: dict[str, str] = field(default_factory=lambda: {"LicenceForm": "electronic", "RegistrationStatus": "1"})
    busy: set[str] = field(default_factory=set)  #: wire ids of which the next question is answered with 503
    feed: list[bytes] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    account: str = ""
    port: int = 0
    hangs: float = 0  #: seconds until its health is told
    healthy: int = 0  #: how often it was told
    let_go: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None
    _fed: threading.Condition = field(default_factory=threading.Condition)
    _open: set[socket.socket] = field(default_factory=set)

    def up(self) -> None:
        endpoint = self

        class Counter(_Counter):
            pass

        Counter.endpoint = endpoint
        ThreadingHTTPServer.request_queue_size = 128
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Counter)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Nobody listens any more; what was connected is cut off."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        server.server_close()
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._fed:
            self._fed.notify_all()

    def posts(self, reference: str) -> list[Call]:
        return [c for c in self.calls if c.what == "post" and c.reference == reference]

    def about(self, reference: str) -> list[str]:
        """The kinds of calls about a message, in order."""
        ids = {c.message_id for c in self.posts(reference)}
        return [c.what for c in self.calls if c.message_id in ids]

    def wire_id(self, reference: str) -> str:
        return self.posts(reference)[-1].message_id

    def issue(self, *receipts: bytes) -> None:
        """Put receipts into the feed."""
        with self._fed:
            self.feed += receipts
            self._fed.notify_all()

    def unsigned(
        self, *, code: str, kind: str = "business", numbers: dict[str, str] | None = None, **said: str
    ) -> etree._Element:
        """A receipt without its signature; `said` replaces attributes ("" leaves one out)."""
        root = etree.Element(f"{{{RECEIPT}}}Receipt", nsmap={None: RECEIPT})  # type: ignore[dict-item]
        attributes = {
            "id": uuid.uuid4().hex,
            "kind": kind,
            "authority": self.authority,
            "account": self.account,
            "type": "",
            "code": code,
            "text": f"code {code}",
            "issued_at": stamp(self.clock.now()),
            **said,
        }
        for name, value in attributes.items():
            if value:
                root.set(name, value)
        if numbers:
            group = etree.SubElement(root, f"{{{RECEIPT}}}Numbers")
            for name, value in numbers.items():
                etree.SubElement(group, f"{{{RECEIPT}}}Number", name=name).text = value
        return root

    def receipt(self, **said: Any) -> bytes:
        return self.sealer.seal(self.unsigned(**said))

    def _technical(self, call: Call, sealer: Sealer, **said: str) -> bytes:
        type_, sender = (found[1].decode() if (found := each.search(call.body)) else "" for each in (_type, _sender))
        own = {"kind": "technical", "message": call.message_id, "type": type_, "account": sender}
        return sealer.seal(self.unsigned(**{**own, **said}))  # type: ignore[arg-type]

    def _answered(self, call: Call, **elements: str) -> bytes:
        type_, sender = (found[1].decode() if (found := each.search(call.body)) else "" for each in (_type, _sender))
        root = self.unsigned(code="Q0", message=call.message_id, type=type_, account=sender)
        content = etree.SubElement(root, f"{{{RECEIPT}}}Content")
        for name, text in elements.items():
            etree.SubElement(content, f"{{{RECEIPT}}}{name}").text = text
        return self.sealer.seal(root)

    def answer(self, call: Call) -> tuple[int, bytes, dict[str, str]] | None:
        """HTTP status, body and headers; None closes the connection."""
        if call.what == "ask" and call.message_id in self.busy:
            self.busy.discard(call.message_id)
            return (503, b"busy", {"Retry-After": "30"})
        if call.what == "ask":
            known = self.kept.get(call.message_id)
            return (200, known[1], {}) if known else (404, b"never seen", {})
        if call.what == "query" and _precheck.search(call.body):
            return (200, self._answered(call, **self.prechecked), {})
        if call.what == "query":
            return (202, self.receipt(code="Q1", message=call.message_id), {})
        planned = self.says.get(call.reference)
        say = planned.pop(0) if planned else "take"
        odd = say if isinstance(say, dict) else {}
        if not odd and say in ("503", "busy", "lose", "garbage", "400"):
            return {
                "503": (503, b"out of order", {}),
                "busy": (503, b"busy", {"Retry-After": "1"}),
                "garbage": (202, b"<html>It works!</html>", {}),
                "400": (400, b"<html>bad request</html>", {}),
            }.get(say)
        if say == "slow":
            time.sleep(1)
        if say == "later":
            self.let_go.wait(here(STILL))
        known = self.kept.get(call.message_id)
        if known is None and say == "refuse":
            return (400, self._technical(call, self.sealer, code="1"), {})
        receipt = known[1] if known else self._technical(call, self.sealer, code="0")
        self.kept[call.message_id] = (call.body, receipt)
        if say in ("drop-busy", "lose-busy"):  # no answer, and none to the first question either: the verdict is quicker
            self.busy.add(call.message_id)
            if say == "lose-busy":
                del self.kept[call.message_id]
            return None
        if odd:
            return (202, self._technical(call, self.sealer, **{"code": "0", **odd}), {})
        match say:
            case "drop":
                return None
            case "forged":
                return (202, self._technical(call, self.stranger, code="0"), {})
            case "corrupt":
                return (202, receipt.replace(b'code="0"', b'code="1"'), {})
        return (202, receipt, {})

    def page(self, after: int, limit: int, wait: float) -> tuple[list[bytes], int]:
        with self._fed:
            self._fed.wait_for(lambda: len(self.feed) > after or self._server is None, min(wait, 5))
            found = self.feed[after : after + limit]
        return found, after + len(found)


class _Counter(BaseHTTPRequestHandler):
    endpoint: Endpoint
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.endpoint._open.add(self.connection)

    def finish(self) -> None:
        self.endpoint._open.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/v1/health":
            time.sleep(self.endpoint.hangs)
            self._send(200, b"ok", {})
            self.endpoint.healthy += 1
        elif url.path == "/v1/receipts":
            asked = parse_qs(url.query, keep_blank_values=True)
            mine = asked["account"][0] == self.endpoint.account
            after = int(asked["after"][0] or 0)
            found, following = self.endpoint.page(after if mine else 10**9, int(asked["limit"][0]), float(asked["wait"][0]))
            page = {"receipts": [base64.b64encode(r).decode() for r in found], "next": str(following if mine else after)}
            self._send(200, json.dumps(page).encode(), {})
        else:
            self._answer("ask", url.path.rsplit("/", 1)[-1], b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer("query" if self.path == "/v1/queries" else "post", self.headers["Message-Id"], body)

    def _answer(self, what: str, message_id: str, body: bytes) -> None:
        found = _reference.search(body)
        call = Call(what, message_id, found[1].decode() if found else "", body, time.monotonic())
        self.endpoint.calls.append(call)
        said = self.endpoint.answer(call)
        if said is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._send(*said)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        try:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True


#: short waits, so that a test does not sit through them
QUICK = '\n[schedule]\nleast_wait = "100ms"\nmost_wait = "3s"\nprobe = "200ms"\nreceipts = "2s"\n'


def add_settings(home: Path, text: str) -> None:
    with (home / "tongguan.toml").open("a") as file:
        file.write(text)


def without_route(home: Path, name: str) -> None:
    """Take a route out of the settings: nobody listens there."""
    path = home / "tongguan.toml"
    before, _, rest = path.read_text("utf-8").partition(f"\n[route.{name}]\n")
    _, bracket, after = rest.partition("\n[")
    path.write_text(before + bracket + after, "utf-8")


Place = tuple[Site, Endpoint, Endpoint]


def site_with_endpoints(folder: Path, *, settings: str = QUICK, **made: Any) -> Place:
    """A home, not running yet, whose authorities are the test's own: (site, MOFCOM, customs)."""
    site = make_site(folder, **made)
    add_settings(site.home, settings)
    change_settings(site.home, "gateway", "settle", "200ms")
    without_route(site.home, "ministries")
    endpoints = []
    for authority, other in (("mofcom", "customs"), ("customs", "mofcom")):
        keys = site.home / "simulators"
        sealer = load_sealer(keys / f"{authority}.key", keys / f"{authority}.pem")
        stranger = load_sealer(keys / f"{other}.key", keys / f"{other}.pem")
        endpoint = Endpoint(authority, sealer, stranger, account=CODES[authority], clock=Clock(site.home))
        endpoint.up()
        change_settings(site.home, f"route.{authority}", "url", f"http://127.0.0.1:{endpoint.port}")
        endpoints.append(endpoint)
    return site, endpoints[0], endpoints[1]


@contextlib.contextmanager
def running_with_endpoints(folder: Path, **made: Any) -> Iterator[Place]:
    """The same, with a gateway that runs until all of them end."""
    site, *endpoints = place = site_with_endpoints(folder, **made)
    site.run()
    yield place
    site.stop("run")
    for endpoint in endpoints:
        endpoint.down()
