"""One HTTP request and its answer, on connections that are kept.

Promises an answer of bounded size, read to its end, or an exception from which `unanswered` tells whether a body can have
arrived. Repeats nothing, follows no redirect, keeps no cookie, asks no proxy, unpacks nothing.
"""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from yarl import URL

from tongguan.gateway.model.errors import TongguanError, each_of, in_both
from tongguan.routes.reply import HttpAnswer, Reply, retry_after

#: shorter than the five seconds after which common servers close a quiet connection, so that we rarely write into a closed one
KEPT_FOR_SECONDS = 4.0


#: the object identifiers of CMS content types (RFC 5652) as they stand at the beginning of a message, and their S/MIME words
_CMS = {
    bytes.fromhex("06092a864886f70d010702"): "signed-data",
    bytes.fromhex("06092a864886f70d010703"): "enveloped-data",
}
_LONGEST_HEAD = 11  #: bytes of a DER tag with its length, before the identifier


class Unusable(TongguanError):
    """The endpoint answered something that cannot be used."""


class TooMuch(Unusable):
    """The answer is larger than allowed."""


#: what a trouble of the connection is called in Chinese, the narrower kind first
_KINDS = (
    (aiohttp.ClientConnectorCertificateError, "对方的证书不可信"),
    (aiohttp.ClientConnectorSSLError, "加密连接没有建成"),
    (aiohttp.ClientConnectorDNSError, "找不到对方的地址"),
    (aiohttp.ClientConnectorError, "连接不上"),
    (aiohttp.ServerDisconnectedError, "对方断开了连接"),
    (aiohttp.ClientPayloadError, "应答不完整"),
    (aiohttp.ClientResponseError, "应答不是正确的 HTTP"),
)
#: what an exchange raises when it has no answer
NO_ANSWER = (aiohttp.ClientError, TimeoutError, OSError, Unusable)


def content_type(body: bytes) -> str:
    """Name the form of a sealed body by its first bytes: a CMS message, signed or enveloped; what is none is XML."""
    if body[:1] == b"\x30":
        for identifier, word in _CMS.items():
            if body.find(identifier, 0, _LONGEST_HEAD + len(identifier)) > 0:
                return f"application/pkcs7-mime; smime-type={word}"
    return "application/xml"


class TrackedBody(Payload):
    """A body that knows whether its first byte was ever handed to the connection."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body, content_type=content_type(body))
        self._size = len(body)
        self.begun = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return bytes(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        self.begun = True
        await writer.write(self._value)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        await self.write(writer)


class Connections:
    """The kept connections of one route; to be used on the wire's loop only."""

    def __init__(self, *, tls: ssl.SSLContext | None, token: str, timeout_seconds: float) -> None:
        self._tls = tls
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: URL, wire_id: str, sealed: TrackedBody, *, most: int) -> HttpAnswer:
        return await self._exchange("POST", url, most, data=sealed, headers={"Message-Id": wire_id})

    async def post_json(self, url: URL, body: bytes, *, key: str, most: int) -> HttpAnswer:
        """Post JSON under a key by which the other side knows a repeat."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return await self._exchange("POST", url, most, data=body, headers=headers)

    async def get(self, url: URL, *, most: int, longer_seconds: float = 0) -> HttpAnswer:
        """As `post`; a long poll may take `longer_seconds` more than other requests."""
        timeout = aiohttp.ClientTimeout(total=self._timeout_seconds + longer_seconds)
        return await self._exchange("GET", url, most, timeout=timeout)

    async def _exchange(self, method: str, url: URL, most: int, **more: Any) -> HttpAnswer:
        async with self._open().request(method, url, allow_redirects=False, **more) as response:
            return await _read(response, most)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        # Made late: a session belongs to the loop that runs when it is made.
        if self._session is None:
            headers = {"Accept-Encoding": "identity", "User-Agent": "tongguan"}
            if self._token:
                headers["Authorization"] = f"Bearer {self._token}"
            self._session = aiohttp.ClientSession(
                # No limit here: the route's line bounds what is in flight, and polls hold connections beside it.
                connector=aiohttp.TCPConnector(limit=0, ssl=self._tls or True, keepalive_timeout=KEPT_FOR_SECONDS),
                timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
                headers=headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


def unanswered(sealed: TrackedBody | None, trouble: BaseException) -> Reply:
    """Tell what surely never left from what may have arrived: only a body that was begun can have been received."""
    if isinstance(trouble, aiohttp.ClientConnectorError) or (sealed is not None and not sealed.begun):
        zh, en = each_of(reason(trouble))
        return Reply("later", why=in_both(f"没有发出：{zh}", f"nothing was sent: {en}"))
    return Reply("lost", why=reason(trouble))


def reason(trouble: BaseException) -> str:
    """The trouble in words, in both languages; many time-outs and disconnections come without any."""
    if isinstance(trouble, TimeoutError):
        return in_both("超时没有应答", "no answer in time")
    if isinstance(trouble, TongguanError):
        return trouble.both
    said = " ".join(str(trouble).split())[:300] or type(trouble).__name__
    zh = next((zh for kind, zh in _KINDS if isinstance(trouble, kind)), "连接出错")
    return in_both(f"{zh}（{said}）", said)


async def _read(response: aiohttp.ClientResponse, most: int) -> HttpAnswer:
    """Read an answer to its end; TooMuch beyond `most` bytes, before they are in memory."""
    after = retry_after(response.headers.get("Retry-After"))
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Unusable("应答用了没有要求的编码", "answered in an encoding that was not asked for")
    length = response.content_length
    if length is not None and length <= most:
        return HttpAnswer(response.status, await response.read(), after)
    if length is None:
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > most:
                break
        else:
            return HttpAnswer(response.status, bytes(body), after)
    response.close()
    raise TooMuch(f"应答超过 {most} 字节", f"answered more than {most} bytes")
