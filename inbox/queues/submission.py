"""A message of a submission queue as the flow takes it: the bytes of the file that it stands for, under a name.

Promises: what is not exactly the form that docs/integrators.md tells is `Unreadable`, with every fault of it; nothing is unpacked, guessed or
left out in silence. The same message always becomes the same bytes. Attachments make a ZIP of it, as if it had been dropped so.
"""

from __future__ import annotations

import binascii
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from tongguan.gateway.model import characters
from tongguan.gateway.model.errors import Fault, nearest, short
from tongguan.gateway.model.queueing import QueueDelivery, QueueMessage, reply_queue_allowed
from tongguan.gateway.system.parser_messages import in_words
from tongguan.gateway.system.storage import file_names

MOST_HEADERS = 64_000  #: bytes of a message's headers, as JSON
MOST_NAME = 200  #: bytes of a name
MOST_ID = 255  #: of a correlation or message id
_ENVELOPE = 100_000  #: bytes of a message besides what it carries
FORMS = {
    "application/xml": "xml",
    "text/xml": "xml",
    "application/json": "json",
    "application/zip": "zip",
    "application/x-zip-compressed": "zip",
}
_KEYS = ("name", "content_type", "body", "body_base64", "attachments")
_ATTACHMENT = ("name", "body_base64")
_PLAIN = ("", "utf-8", "utf8", "binary", "us-ascii", "identity")  #: encodings that leave bytes as they are
_ODD = re.compile(r"[\x00-\x1f\x7f/\\]")
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=]")
_MIDNIGHT = (1980, 1, 1, 0, 0, 0)  #: the same ZIP each time


@dataclass(frozen=True, slots=True)
class Submission:
    """A message that can be taken; the counterpart of a file's `Drop`."""

    account: str
    name: str
    raw: bytes | None
    sha256: str
    message: QueueMessage
    key: str  #: what the same message sent again has too; empty where it has no id
    problem: Fault | None = None

    @property
    def claim_key(self) -> str:
        return f"queue:{self.account}/{self.key or self.name}/{self.sha256}"

    def delivered(self, message_id: str) -> QueueDelivery:
        """Where the replies of what it becomes are wanted."""
        return QueueDelivery(message_id, self.account, self.key, self.message.reply_to, self.message.correlation_id)


class Unreadable(Exception):
    """Nobody can make anything of it; every fault that was found."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.code} {fault.path} {fault.en}" for fault in faults))


def submission_of(message: QueueMessage, account: str, accounts: Collection[str], *, most_bytes: int) -> Submission:
    """What a message stands for; raises Unreadable. `most_bytes` is the limit of a file."""
    if faults := [*_outside(message, account, accounts, most_bytes)]:
        raise Unreadable(faults)
    told = _envelope(message.body)
    faults = _shape(told)
    if faults:
        raise Unreadable(faults)
    form, faults = _form(told)
    content, more = _content(told, form)
    files, worse = _files(told)
    faults = [*faults, *more, *worse]
    if not faults and files and form == "zip":
        faults = [
            _fault(
                "GW-Q06", "attachments", "ZIP 内已有附件，不能再给 attachments", "a ZIP has its attachments in it: none beside it"
            )
        ]
    if faults:
        raise Unreadable(faults)
    name = _name(told, message, content, form)
    if files:
        name, content = f"{name.rpartition('.')[0]}.zip", _zipped(name, content, files)
    if len(content) > most_bytes:
        raise Unreadable([_too_large(len(content), most_bytes)])
    digest = hashlib.sha256(content).hexdigest()
    key = (
        hashlib.sha256(f"{message.message_id}\n{digest}".encode("utf-8", "replace")).hexdigest()[:32]
        if message.message_id
        else ""
    )
    return Submission(account, name, content, digest, message, key)


def _fault(code: str, path: str, zh: str, en: str) -> Fault:
    return Fault(code, zh, en, f"/{path}" if path else "")


def _too_large(size: int, most: int) -> Fault:
    return _fault(
        "GW-Q04", "", f"报文 {size} 字节，超过上限 {most} 字节", f"the message has {size} bytes, more than the {most} allowed"
    )


def _outside(message: QueueMessage, account: str, accounts: Collection[str], most_bytes: int) -> Sequence[Fault]:
    """What is wrong with it before its body is looked at."""
    most = most_bytes * 4 // 3 + _ENVELOPE
    if len(message.body) > most:
        return [_too_large(len(message.body), most)]
    if not message.readable:
        zh, en = (
            "消息的属性或消息头读不出（不是 UTF-8，或类型不认识）",
            "its properties or headers cannot be read (no UTF-8, or of a kind that is not known)",
        )
        return [_fault("GW-Q08", "", zh, en)]
    faults = []
    kind = message.content_type.partition(";")[0].strip().lower()
    if kind != "application/json":
        zh = f"消息的 content_type 应为 application/json，现为 {short(message.content_type)!r}"
        en = f"the message's content_type must be application/json, not {short(message.content_type)!r}"
        faults.append(_fault("GW-Q01", "", zh, en))
    packed = message.compression or (message.content_encoding if message.content_encoding.lower() not in _PLAIN else "")
    if packed:
        zh, en = f"不接受压缩或转码的消息：{short(packed)}", f"messages are neither compressed nor encoded: {short(packed)}"
        faults.append(_fault("GW-Q02", "", zh, en))
    if (size := _size(message.headers)) > MOST_HEADERS:
        zh, en = (
            f"消息头 {size} 字节，超过上限 {MOST_HEADERS}",
            f"the headers have {size} bytes, more than the {MOST_HEADERS} allowed",
        )
        faults.append(_fault("GW-Q08", "", zh, en))
    for name in ("message_id", "correlation_id", "reply_to"):
        if len(getattr(message, name).encode("utf-8", "replace")) > MOST_ID:
            zh, en = f"{name} 超过 {MOST_ID} 字节", f"{name} has more than {MOST_ID} bytes"
            faults.append(_fault("GW-Q08", "", zh, en))
        if not characters.encodes(getattr(message, name)):
            zh, en = f"{name} 含有不成对的代理字符", f"{name} has half a letter (a lone surrogate) in it"
            faults.append(_fault("GW-Q08", "", zh, en))
    if characters.encodes(message.reply_to) and (odd := characters.unprintable(message.reply_to)) is not None:
        zh = f"reply_to 第 {odd.at} 个字符 ⟨U+{ord(odd.letters):04X}⟩ 不可显示，队列名称不能有"
        en = f"character {odd.at} of reply_to, ⟨U+{ord(odd.letters):04X}⟩, is not printed: no queue's name may have it"
        faults.append(_fault("GW-Q08", "", zh, en))
    if not reply_queue_allowed(account, message.reply_to, accounts):
        zh = f"reply_to {short(message.reply_to)!r} 是别的账户或网关自己的队列"
        en = f"reply_to {short(message.reply_to)!r} is another account's queue, or the gateway's own"
        faults.append(_fault("GW-Q07", "", zh, en))
    return faults


def _size(headers: Mapping[str, Any]) -> int:
    return len(repr(headers)) if headers else 0


def _envelope(body: bytes) -> dict[str, Any]:
    """The JSON of a message, numbers of a body that is JSON itself as they were written."""
    twice: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice.extend(sorted({name for name in names if names.count(name) > 1}))
        return found

    try:
        text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
        told = json.loads(text, object_pairs_hook=once, parse_int=_as_written, parse_float=_as_written, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise Unreadable([_fault("GW-Q02", "", "JSON 必须是 UTF-8 编码", "JSON must be in UTF-8")]) from None
    except RecursionError:
        raise Unreadable(
            [_fault("GW-Q02", "", "不是可读的 JSON：嵌套太深", "it is no JSON to be read: nested too deep")]
        ) from None
    except ValueError as wrong:
        zh, en = in_words(short(getattr(wrong, "msg", wrong)))
        at = f" ({wrong.lineno}:{wrong.colno})" if isinstance(wrong, json.JSONDecodeError) else ""
        raise Unreadable([_fault("GW-Q02", "", f"不是 JSON：{zh}{at}", f"it is no JSON: {en}{at}")]) from None
    if twice:
        raise Unreadable([_fault("GW-Q03", short(name), "键重复", "the key stands twice") for name in twice[:20]])
    if not isinstance(told, dict):
        raise Unreadable([_fault("GW-Q03", "", "应为 JSON 对象", "it must be a JSON object")])
    return told


def _as_written(digits: str) -> orjson.Fragment:
    return orjson.Fragment(digits)


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _shape(told: Mapping[str, Any]) -> list[Fault]:
    """Keys and types."""
    faults = _unknown(told, _KEYS, "")
    for key in ("name", "content_type", "body_base64"):
        if told.get(key) is not None and not isinstance(told[key], str):
            faults.append(_fault("GW-Q03", key, "应为文字", "must be a text"))
    if (told.get("body") is None) == (told.get("body_base64") is None):
        faults.append(_fault("GW-Q03", "body", "body 与 body_base64 须且只须给一个", "either body or body_base64 must be given"))
    elif told.get("body") is not None and not isinstance(told["body"], str | dict):
        faults.append(
            _fault("GW-Q03", "body", "应为文字（JSON 报文也可以是对象）", "must be a text (or, for a JSON message, an object)")
        )
    files = told.get("attachments")
    if files is not None and not isinstance(files, list):
        return [*faults, _fault("GW-Q03", "attachments", "应为列表", "must be a list")]
    for n, file in enumerate(files or ()):
        place = f"attachments/{n}"
        if not isinstance(file, dict):
            faults.append(_fault("GW-Q03", place, "应为对象", "must be an object"))
            continue
        faults += _unknown(file, _ATTACHMENT, f"{place}/")
        for key in _ATTACHMENT:
            if not isinstance(file.get(key), str):
                faults.append(_fault("GW-Q03", f"{place}/{key}", "必填，应为文字", "is required, and must be a text"))
    return faults[:100]


def _unknown(told: Mapping[str, Any], known: Sequence[str], place: str) -> list[Fault]:
    faults = []
    for name in told:
        if name not in known:
            zh, en = nearest(name, known)
            faults.append(_fault("GW-Q03", place + short(name), f"没有这个键{zh}", f"there is no such key{en}"))
    return faults[:20]


def _form(told: Mapping[str, Any]) -> tuple[str, list[Fault]]:
    """xml, json or zip: by the content type, else by the name; both must agree where both are given."""
    kind = (told.get("content_type") or "").partition(";")[0].strip().lower()
    named = file_names.extension(file_names.as_bytes(told.get("name") or "")).decode().removeprefix(".")
    form = FORMS.get(kind, "") if kind else named or ("json" if isinstance(told.get("body"), dict) else "")
    if not form:
        known = " ".join(FORMS)
        if kind:
            zh, en = f"不认识 {short(kind)}；可用：{known}", f"{short(kind)} is not taken; there are {known}"
        else:
            zh, en = (
                f"必填（或 name 以 .xml、.json、.zip 结尾）：{known}",
                f"is required (or a name in .xml, .json, .zip): {known}",
            )
        return "", [_fault("GW-Q06", "content_type", zh, en)]
    if named and named != form:
        zh, en = f"name 的扩展名与 {kind} 不符", f"the name's extension says otherwise than {kind}"
        return form, [_fault("GW-Q06", "name", zh, en)]
    if isinstance(told.get("body"), dict) and form != "json":
        zh, en = "只有 JSON 报文可以写成对象", "only a JSON message may stand there as an object"
        return form, [_fault("GW-Q06", "body", zh, en)]
    return form, []


def _content(told: Mapping[str, Any], form: str) -> tuple[bytes, list[Fault]]:
    body = told.get("body")
    if body is None:
        return _from_base64(told["body_base64"], "body_base64")
    if form == "zip":
        return b"", [_fault("GW-Q06", "body", "ZIP 写在 body_base64", "a ZIP goes into body_base64")]
    try:
        return (body.encode() if isinstance(body, str) else orjson.dumps(body)), []
    except (UnicodeEncodeError, orjson.JSONEncodeError) as wrong:
        if "recursion" in str(wrong).lower():
            return b"", [_fault("GW-Q02", "body", "嵌套太深", "it is nested too deep")]
        return b"", [_fault("GW-Q02", "body", "含有不成对的代理字符", "it has half a letter (a lone surrogate) in it")]


def _from_base64(text: str, path: str) -> tuple[bytes, list[Fault]]:
    """Line breaks in it are no part of it, as mail writes them."""
    for plain in (text, "".join(text.split())):
        with suppress(binascii.Error, UnicodeEncodeError):
            return binascii.a2b_base64(plain.encode("ascii"), strict_mode=True), []
    zh, en = _no_base64("".join(text.split()))
    return b"", [_fault("GW-Q05", path, f"不是 base64：{zh}", f"it is no base64: {en}")]


def _no_base64(text: str) -> tuple[str, str]:
    """Why a text is none, in Chinese and English."""
    if (odd := _NOT_BASE64.search(text)) is None:
        return "结尾的 = 或长度不对（不完整？）", "its length, or the = at its end, is wrong (is it cut off?)"
    if odd[0] in "-_":
        return "这是 base64url：- 和 _ 应为 + 和 /", "this is base64url: - and _ must be + and /"
    letter = characters.shown(odd[0])
    return (
        f"第 {odd.start() + 1} 个字符 {letter!r} 不是 base64 的字符",
        f"character {odd.start() + 1}, {letter!r}, is none of base64's",
    )


def _files(told: Mapping[str, Any]) -> tuple[list[tuple[str, bytes]], list[Fault]]:
    files: list[tuple[str, bytes]] = []
    faults: list[Fault] = []
    for n, file in enumerate(told.get("attachments") or ()):
        name = file["name"]
        if not name or "\0" in name or len(name.encode("utf-8", "replace")) > MOST_NAME or not characters.encodes(name):
            zh, en = f"附件名应有 1 至 {MOST_NAME} 字节", f"a name of 1 to {MOST_NAME} bytes"
            faults.append(_fault("GW-Q03", f"attachments/{n}/name", zh, en))
        raw, wrong = _from_base64(file["body_base64"], f"attachments/{n}/body_base64")
        files.append((name, raw))
        faults += wrong
    return files, faults[:100]


def _name(told: Mapping[str, Any], message: QueueMessage, content: bytes, form: str) -> str:
    """The name as the sender gave it, with the extension of its form; one made of its id, else of its bytes, where there is none."""
    given = told.get("name") or ""
    if not given or not characters.encodes(given) or _ODD.search(given) or len(given.encode()) > MOST_NAME:
        wanted = given or message.message_id
        plain = _NO_NAME.sub("_", wanted)[:64]
        mark = hashlib.sha256(wanted.encode("utf-8", "replace") if wanted else content).hexdigest()[:12]
        given = plain if plain and plain == wanted else f"{plain}~{mark}" if plain else mark
    return given if given.lower().endswith(f".{form}") else f"{given}.{form}"


def _zipped(name: str, content: bytes, files: Sequence[tuple[str, bytes]]) -> bytes:
    """One ZIP, as a sender would drop it; a name that stands twice stands twice in it, for the reader to tell."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_STORED) as archive:
        seen: set[str] = set()
        for entry, part in ((name, content), *files):
            info = zipfile.ZipInfo(entry, _MIDNIGHT)
            if entry in seen:
                archive.NameToInfo.pop(info.filename, None)  # else it warns of what the reader will tell
            archive.writestr(info, part)
            seen.add(entry)
    return raw.getvalue()
