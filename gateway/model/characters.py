"""Characters that nobody sees, that were lost, or that look like others: found in what was sent, and told by name.

Promises: a text of letters that anybody writes is known as such in one quick look; a text that is shown never hides a character.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

Oddness = Literal["hidden", "turning", "lost", "alike", "escaped", "nothing", "blank"]

#: most messages hold nothing else: letters, Han, and the punctuation of both
_ORDINARY = re.compile("[^ -~\n\u4e00-\u9fff\u3000-\u303f\uff01-\uff5e\u2014-\u201d]")
#: among those a sign that a text was read in a wrong encoding before it came here
_SPOILT = ("锟", "锘", "烫烫", "屯屯", "鏈夐檺", "鍏徃")

_TURNING = "\u202a-\u202e\u2066-\u2069"
_HIDDEN = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u115f\u1160\u17b4\u17b5\u061c\u180b-\u180f\u200b-\u200f\u2028\u2029"
    "\u2060-\u2065\u206a-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_PRIVATE = "\ud800-\uf8ff\ufffe\uffff\U000f0000-\U0010ffff"
_REPLACED = "\\?{2,}|\ufffd|(?:锟斤拷)+锟?|(?:锟斤)|烫{3,}|屯{3,}|锘[縰匡挎]?|ï»¿"
#: `??` stands where letters were written in an encoding that does not have them
#: three bytes of a Han character in UTF-8, read as Latin letters
_LATIN = "(?:[\xe4-\xe9][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]{2})+"
_LOOKS = dict(zip("АВЕКМНОРСТХаеорсухіјѕΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEKMHOPCTXaeopcyxijsABEZHIKMNOPTYXo", strict=True))
_ALIKE = "".join(_LOOKS)
_STRANGE = re.compile(
    f"(?P<turning>[{_TURNING}])|(?P<hidden>[{_HIDDEN}])|(?P<lost>{_REPLACED}|{_LATIN}|[{_PRIVATE}])"
    f"|(?P<alike>(?<=[A-Za-z0-9])[{_ALIKE}]|[{_ALIKE}](?=[{_ALIKE}]*[A-Za-z0-9]))"
    "|(?P<escaped>&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});)"
)
#: what programs and spreadsheets write where they have no value; `Null` is a name
_STANDS_FOR_NOTHING = re.compile(
    r"\s*(?:null|NULL|\(null\)|undefined|\[object Object\]|#(?:N/A|REF!|VALUE!|NAME\?|DIV/0!|NULL!|NUM!))\s*"
)
#: what of this is in letters of ASCII holds one of these
_SIGNS = (b"??", b"&", b"null", b"NULL", b"undefined", b"[object", b"#")
_UNSEEN = re.compile(f"[{_TURNING}{_HIDDEN}]")
_NO_ASCII = re.compile("[^\x00-\x7f]+")
_BREAKS = re.compile("[\t\n\r]")
_NOT_COUNTED = re.compile(f"[{_TURNING}{_HIDDEN}]|{_REPLACED}|[{_PRIVATE}]")

_NAMES = {
    0xA0: ("不换行空格", "no-break space"),
    0xAD: ("软连字符", "soft hyphen"),
    0x200B: ("零宽空格", "zero width space"),
    0x200C: ("零宽不连字", "zero width non-joiner"),
    0x200D: ("零宽连字", "zero width joiner"),
    0x2028: ("行分隔符", "line separator"),
    0x2029: ("段分隔符", "paragraph separator"),
    0x2060: ("零宽不换行", "word joiner"),
    0x3000: ("全角空格", "ideographic space"),
    0xFEFF: ("字节顺序标记", "byte order mark"),
    0xFFFD: ("替换字符", "replacement character"),
}
_OF_KIND: dict[Oddness, tuple[str, str]] = {
    "hidden": ("不可见字符", "invisible character"),
    "turning": ("文字方向控制符", "bidirectional control"),
    "lost": ("乱码", "spoilt characters"),
    "alike": ("形近字符", "look-alike character"),
    "escaped": ("转义符", "escaped character"),
    "nothing": ("空值", "no value"),
    "blank": ("空白字符", "blank"),
}


@dataclass(frozen=True, slots=True)
class OddCharacter:
    """A character, or a run of them, that is not what it seems: at which character of the text it stands, counted from 1."""

    kind: Oddness
    at: int
    letters: str

    @property
    def what(self) -> tuple[str, str]:
        """What it is called, in Chinese and in English: `U+200B 零宽空格`."""
        point = ord(self.letters[0])
        zh, en = _NAMES.get(point) or (("组合字符", "combining mark") if _is_mark(self.letters[0]) else _OF_KIND[self.kind])
        if len(self.letters) > 1 or self.letters in _SPOILT:
            return f"“{self.letters[:12]}”", f"“{self.letters[:12]}”"
        if 0xD800 <= point <= 0xF8FF:
            zh, en = "私用区字符", "private-use character"
        return f"U+{point:04X} {zh}", f"U+{point:04X} {en}"

    @property
    def meant(self) -> str:
        """The letter that it looks like; nothing where it looks like none."""
        return _LOOKS.get(self.letters, "")


def may_be_strange(canonical: bytes) -> bool:
    """May a value in the canonical bytes of a message be strange? Quick; where it may, `strange` knows."""
    return any(sign in canonical for sign in _SIGNS) or not (canonical.isascii() or _all_ordinary(canonical.decode()))


def surely_ordinary(text: str) -> bool:
    """Is there no strange letter for sure? Quick; where it is not sure, `strange` knows."""
    if "??" in text or "&" in text or _STANDS_FOR_NOTHING.fullmatch(text) is not None:
        return False
    return (text.isascii() and "\x7f" not in text) or _all_ordinary(text)


def _all_ordinary(text: str) -> bool:
    return _ORDINARY.search(text) is None and not any(sign in text for sign in _SPOILT)


def strange(text: str) -> list[OddCharacter]:
    """Every strange letter of a text, in order."""
    if surely_ordinary(text):
        return []
    if _STANDS_FOR_NOTHING.fullmatch(text) is not None:
        return [OddCharacter("nothing", 1, text.strip())]
    found = [OddCharacter(one.lastgroup, one.start() + 1, one[0]) for one in _STRANGE.finditer(text)]  # type: ignore[arg-type]
    if not found and text.strip() and not counted(text):
        found = [OddCharacter("hidden", 1, text.strip()[0])]
    return found or ([OddCharacter("lost", 1, text)] if _misread(text) else [])


def encodes(text: str) -> bool:
    """Is it whole letters? Half a one (a lone surrogate) goes into no file and no journal."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def unprintable(text: str) -> OddCharacter | None:
    """The first letter that no name may hold, for a reader takes it for another or for nothing: any blank but the plain one is such."""
    for at, letter in enumerate(text, 1):
        if not letter.isprintable():
            return OddCharacter("blank" if letter.isspace() and letter > "\x9f" else "hidden", at, letter)
    return None


def hides(name: str) -> bool:
    """Has a name letters that nobody sees, or that turn it round?"""
    return _UNSEEN.search(name) is not None or "\n" in name or "\t" in name or "\r" in name


def _misread(text: str) -> bool:
    """Is it Han in UTF-8 that was read as GBK? The letters of hardly any other text are such bytes throughout."""
    try:
        right = text.encode("gb18030").decode("utf-8")
    except UnicodeError:
        return False
    return any("\u4e00" <= letter <= "\u9fff" for letter in right)


_misread("ä")  # the codec is loaded with this module: whoever decides opens no file


def counted(text: str) -> str:
    """What a required field counts of a text: without what cannot be seen, and what was lost; nothing where no letter is left."""
    rest = _NOT_COUNTED.sub("", text).strip()
    if _STANDS_FOR_NOTHING.fullmatch(rest) is not None or all(letter.isspace() or _is_mark(letter) for letter in rest):
        return ""
    return rest


def _is_mark(letter: str) -> bool:
    """Does it stand on the letter before it, and is nothing without one?"""
    return unicodedata.category(letter)[0] == "M"


def without_unseen(text: str) -> str:
    """The text as a person reads it."""
    return text if text.isascii() else _UNSEEN.sub("", text).strip()


def shown(text: str) -> str:
    """The text with the number of each character that cannot be seen: `230330⟨U+200B⟩`."""
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def on_one_line(text: str) -> str:
    """The same, line breaks and tabs by their numbers too."""
    return shown(text) if text.isprintable() else _BREAKS.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", shown(text))


def escaped(json_text: str, encoding: str = "utf-8") -> str:
    """JSON that says the same, each character that cannot be seen by its number: `\\u009b`; all but ASCII, where the encoding lacks one."""
    if json_text.isascii() and "\x7f" not in json_text:
        return json_text
    told = _UNSEEN.sub(_by_number, json_text)
    try:
        told.encode(encoding)
    except UnicodeEncodeError:
        return _NO_ASCII.sub(_by_number, told)
    return told


def _by_number(found: re.Match[str]) -> str:
    return re.sub("....", r"\\u\g<0>", found[0].encode("utf-16-be").hex())


def is_count(text: str, most: int) -> bool:
    """Is it a whole number from 1 to `most`, in the digits of ASCII? Python takes full-width ones, and others', for the same."""
    return text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most


def normal(name: str) -> str:
    """The form in which names of files are compared: a Mac writes é as two letters."""
    return unicodedata.normalize("NFC", name)
