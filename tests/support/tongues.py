"""Is a text told in both languages?"""

from __future__ import annotations

import re

_CHINESE = re.compile("[\u4e00-\u9fff]")


def in_both_languages(text: str | None) -> bool:
    """Chinese in its first line, English in its second; an English word may stand within the Chinese."""
    zh, _, en = (text or "").partition("\n")
    return bool(_CHINESE.search(zh)) and bool(re.search("[a-z]{2}", en)) and zh != en
