"""AMQP frames of messages, so that many go to the broker in one write: the library builds and writes each by itself, at several times the price.

AMQP 0-9-1, sections 4.2.3 to 4.2.6; only what the gateway publishes with: a message with headers is the library's.
"""

from __future__ import annotations

from struct import Struct

from tongguan.gateway.model.queueing import OutgoingMessage

_METHOD, _HEADER, _BODY, _END = 1, 2, 3, b"\xce"
_CLASS, _PUBLISH = 60, 40  #: Basic.Publish
AROUND = 8  #: bytes of a frame besides what it carries
_frame, _publish, _head = Struct(">BHI").pack, Struct(">HHH").pack, Struct(">HHQH").pack
#: flags of properties, in the order in which those stand
_CONTENT_TYPE, _DELIVERY_MODE, _CORRELATION_ID, _REPLY_TO, _MESSAGE_ID = 1 << 15, 1 << 12, 1 << 10, 1 << 9, 1 << 7
_ENCODING = 1 << 14
_MANDATORY, _PERSISTENT = b"\x01", b"\x02"


def published(channel: int, message: OutgoingMessage, id_: str, *, most: int) -> list[bytes]:
    """The frames of a message under an id; `most`: bytes of a frame that the broker takes. ValueError for a text of more than 255 bytes."""
    names = _short(message.exchange) + _short(message.routing_key)
    method = _publish(_CLASS, _PUBLISH, 0) + names + (_MANDATORY if message.must_route else b"\0")
    flags, properties = _properties(message, id_)
    header = _head(_CLASS, 0, len(message.body), flags) + properties
    frames = [_frame(_METHOD, channel, len(method)), method, _END]
    frames += (_frame(_HEADER, channel, len(header)), header, _END)
    for start in range(0, len(message.body), most - AROUND):
        part = message.body[start : start + most - AROUND]
        frames += (_frame(_BODY, channel, len(part)), part, _END)
    return frames


def _properties(message: OutgoingMessage, id_: str) -> tuple[int, bytes]:
    """Which are there, and what they say."""
    flags, said = _CONTENT_TYPE | _DELIVERY_MODE, _short(message.content_type)
    if message.content_encoding:
        flags |= _ENCODING
        said += _short(message.content_encoding)
    said += _PERSISTENT
    for flag, text in ((_CORRELATION_ID, message.correlation_id), (_REPLY_TO, message.reply_to), (_MESSAGE_ID, id_)):
        if text:
            flags |= flag
            said += _short(text)
    return flags, said


def _short(text: str) -> bytes:
    raw = text.encode()
    return bytes((len(raw),)) + raw  # ValueError beyond a byte
