"""Find the PIN that the settings refer to, see that it can be one, and keep it out of sight.

Promises: whatever way a PIN comes, it is looked at here before any card is touched, so that a mark of the editor, a line end or
an empty line never costs a try.
"""

import os
from pathlib import Path
from typing import NoReturn

from tongguan.gateway.system.storage import files
from tongguan.signer.errors import PinNeeded, PinUnfit

MOST_BYTES = 1024  #: of a file with a PIN: a longer one is another file
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))  #: of byte order


class Secret:
    """Hold a text that no repr, format, log, traceback of locals or pickle shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the text; call it only inside the expression that hands it on, so that no local variable keeps it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


def pin_of(given: str | bytes) -> Secret:
    """Make a PIN of what came from a file, a prompt, a socket or the environment, without the white space and marks round it.

    Raises PinUnfit where no card could take it: empty, several lines, or signs that no keypad has.
    """
    text = _decoded(given) if isinstance(given, bytes) else given
    pin = text.strip("\ufeff").strip()
    if not pin:
        raise PinUnfit("PIN 是空的", "the PIN is empty")
    if len(pin.splitlines()) > 1:
        raise PinUnfit("PIN 只能有一行", "a PIN is one line")
    if not all("!" <= sign <= "~" for sign in pin):
        raise PinUnfit(
            "PIN 只能由半角字母、数字和符号组成，不含空格（请检查输入法和文件编码）",
            "a PIN is made of plain ASCII letters, digits and signs, without a space: look at the keyboard and the file's encoding",
        )
    return Secret(pin)


def _decoded(raw: bytes) -> str:
    if len(raw) > MOST_BYTES:
        raise PinUnfit(f"超过 {MOST_BYTES} 字节，不是 PIN", f"more than {MOST_BYTES} bytes are no PIN")
    mark, encoding = next(((m, e) for m, e in _MARKS if raw.startswith(m)), (b"", "utf-8"))
    try:
        return raw[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        raise PinUnfit("不是可读的文本", "it is no readable text") from None


def read_pin(reference: str, home: Path) -> Secret:
    """Resolve `file:PATH` (relative to the home), `env:NAME` or `prompt`.

    Raises PinNeeded for `prompt`, and PinUnfit when nothing is there, or what cannot be a PIN; for any other reference without
    its text.
    """
    kind, _, place = reference.partition(":")
    if reference == "prompt":
        raise PinNeeded("PIN 由人输入", "the PIN is asked from a person")
    if not is_reference(reference):
        # It is not shown: somebody may have written the PIN itself there.
        raise PinUnfit("PIN 应写作 file:路径、env:变量名 或 prompt", "a PIN is given as file:PATH, env:NAME or prompt")
    try:
        return pin_of(files.read(home / place, MOST_BYTES + 1) if kind == "file" else os.environ[place])
    except KeyError:
        raise PinUnfit(f"环境中没有 {place}", f"the environment has no {place}") from None
    except OSError as error:
        why = error.strerror
        raise PinUnfit(f"PIN 文件 {place} 读不出：{why}", f"the PIN file {place} cannot be read: {why}") from None
    except PinUnfit as unfit:
        raise PinUnfit(f"{reference}：{unfit.zh}", f"{reference}: {unfit}") from None


def fits(pin: Secret, lengths: tuple[int, int]) -> None:
    """Raise PinUnfit for a PIN that is too short or too long for its card."""
    least, most = lengths
    if not least <= len(pin.reveal()) <= most:
        raise PinUnfit(f"该卡的 PIN 为 {least} 至 {most} 位", f"a PIN of this card has {least} to {most} signs")


def is_reference(value: str) -> bool:
    """Does a setting say where a secret is (`file:PATH`, `env:NAME`), instead of being one?"""
    kind, _, place = value.partition(":")
    return kind in ("file", "env") and bool(place)
