"""Secret fields: a document holds where the secret is (`file:…`, `env:…`), never the secret itself.

Promises: what a sender wrote in such a field in place of a reference is taken out of the bytes before anything keeps them, in
messages that can be read and in those that cannot. Never looks a reference up.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tongguan.codecs.reading.formats.read_zip import message_of, unpack
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.profile.profile import Profile

#: a file below the account's own folder of secrets, or a variable of the environment
REFERENCE = r"file:[A-Za-z0-9_][A-Za-z0-9_.\-]*(/[A-Za-z0-9_][A-Za-z0-9_.\-]*)*|env:TONGGUAN_SECRET_[A-Z0-9_]{1,64}"
HIDDEN = "***"  #: stands where a secret stood
_is_reference = re.compile(REFERENCE).fullmatch
# All of these give back nothing that they took (`*+`), and none looks at a letter more than once from a new start: whoever
# writes a file chooses what they run over.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_COLON = re.compile(r"\s*+:\s*+")
_ATTRIBUTE = re.compile(r"""(?<![\w:.-])(?!xmlns)([\w:.-]++\s*+=\s*+)("[^"]*+"|'[^']*+')""")
_REST_OF_TAG = re.compile(r"""(?:[^<>"']|"[^"<]*+"|'[^'<]*+')*+>""")
_ENDS = {"<![CDATA[": "]]>", "<!--": "-->", "<?": "?>"}  #: in them, nothing is a tag
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)

Names = Mapping[str, frozenset[str]]
"""Document type to the element names of its secret fields."""


def is_reference(text: str) -> bool:
    return _is_reference(text) is not None


def secret_paths(profile: Profile) -> tuple[str, ...]:
    return tuple(field.path for field in profile.fields if field.type == "secret")


def secret_names(profiles: Mapping[str, Profile]) -> Names:
    """The secret fields of each type that has any."""
    return {
        type_: frozenset(path.rpartition("/")[2] for path in paths)
        for type_, profile in profiles.items()
        if (paths := secret_paths(profile))
    }


def with_secrets(content: Mapping[str, Any], path: str, change: Callable[[str], str | None]) -> dict[str, Any]:
    """The content with each text at the path put through `change`; None takes it out."""
    part, _, rest = path.partition("/")
    name, changed = part.removesuffix("[]"), dict(content)
    if name not in content:
        return changed
    if not rest:
        value = change(content[name])
        if value is None:
            del changed[name]
        else:
            changed[name] = value
    elif part.endswith("[]"):
        changed[name] = [with_secrets(row, rest, change) for row in content[name]]
    else:
        changed[name] = with_secrets(content[name], rest, change)
    return changed


def redacted(source: str, raw: bytes, secrets: Names) -> bytes:
    """The bytes of a file without what stands openly in secret fields; the same object when there is nothing of it."""
    if not secrets:
        return raw
    if source.lower().endswith(".zip"):
        return _redacted_zip(raw, secrets)
    return _redacted_text(raw, secrets, as_json=source.lower().endswith(".json"))


def _redacted_text(raw: bytes, secrets: Names, *, as_json: bool) -> bytes:
    encoding = _encoding(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeError:
        return raw
    names = {name for type_, own in secrets.items() if type_ in text for name in own}
    if not names:
        return raw
    clean = _clean_json(text, names) if as_json else _clean_xml(text, names)
    return raw if clean == text else clean.encode(encoding)


def _encoding(raw: bytes) -> str:
    """UTF-16 as such; everything else byte by byte, for the signs that matter are the same in all other encodings."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if raw.startswith((b"<\0", b"\0<")):
        return "utf-16-le" if raw[0] else "utf-16-be"
    return "latin-1"


def _clean_xml(text: str, names: set[str]) -> str:
    name = rf"(?:[\w.-]++:)?(?:{'|'.join(map(re.escape, sorted(names)))})"
    opening = re.compile(rf"<{name}(?=[\s/>])")
    closing = re.compile(rf"<!\[CDATA\[|<!--|<\?|</{name}\s*+>")
    out, at = [], 0
    while found := opening.search(text, at):
        rest = _REST_OF_TAG.match(text, found.end())
        out.append(text[at : found.end()])
        at = found.end()
        if rest is not None:  # else it is no tag that anything can read: all of it is taken for the value
            out.append(_ATTRIBUTE.sub(rf'\1"{HIDDEN}"', rest[0]))
            at = rest.end()
            if rest[0].endswith("/>"):
                continue
        end = _end_of_value(text, at, closing)
        value = text[at:end].strip()
        out.append(text[at:end] if not value or is_reference(value) else HIDDEN)
        at = end
    return "".join([*out, text[at:]])


def _end_of_value(text: str, at: int, closing: re.Pattern[str]) -> int:
    """Where the closing tag begins, or the text ends."""
    while found := closing.search(text, at):
        ends = _ENDS.get(found[0])
        if ends is None:
            return found.start()
        at = text.find(ends, found.end())
        if at < 0:
            break
    return len(text)


def _clean_json(text: str, names: set[str]) -> str:
    out, at = [], 0
    for start, end in _members(text, names):
        if start < at:
            continue  # inside a value that is hidden as a whole
        out += [text[at:start], f'"{HIDDEN}"']
        at = end
    return "".join([*out, text[at:]])


def _members(text: str, names: set[str]) -> Iterator[tuple[int, int]]:
    """Where the open values of these keys begin and end; one that cannot be read ends with the text."""
    at = text.find('"')
    while at >= 0 and (found := _STRING.match(text, at)):
        at = found.end()
        colon = _COLON.match(text, at)
        if colon is None or _key(found[0]) not in names:
            at = text.find('"', at)
            continue
        try:
            value, end = _DECODER.raw_decode(text, colon.end())
        except (ValueError, RecursionError):
            yield colon.end(), len(text)
            return
        if value is not None and not (isinstance(value, str) and (not value.strip() or is_reference(value.strip()))):
            yield colon.end(), end
        at = text.find('"', end)


def _key(token: str) -> str:
    try:
        return str(json.loads(token, strict=False))
    except json.JSONDecodeError:
        return token[1:-1]


def _redacted_zip(raw: bytes, secrets: Names) -> bytes:
    """The same for the message in a ZIP; one that cannot be unpacked is kept as it is."""
    try:
        form, message = message_of(raw)
        clean = _redacted_text(message, secrets, as_json=form == "json")
        if clean is message:
            return raw
        unpacked = unpack(raw)
    except Refused:
        return raw
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"message.{unpacked.form}", clean)
        for name, content in unpacked.files.items():
            archive.writestr(name, content)
    return target.getvalue()
