"""Words of the message's frame, and the nearest one to a wrong word."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from functools import lru_cache

from tongguan.gateway.model.characters import without_unseen
from tongguan.gateway.profile.profile import PAGING

#: of the frame itself, then of a query
ATTRIBUTES = ("operation", "reference", "document", "number", "check", "kind", *PAGING)
#: what the words of a frame are called
FRAME_LABELS = {
    "operation": ("操作", "operation"), "reference": ("报文编号", "reference"), "document": ("单证号", "document"), "number": ("编号", "number"),
    "check": ("只校验", "check"), "kind": ("查询种类", "kind"), "type": ("单证类型", "type"), "page": ("页", "page"), "size": ("每页行数", "size"),
    "sort": ("排序", "sort"), "format": ("格式", "format"), "source": ("来源", "source"), "attachments": ("附件", "attachments"),
    "body": ("正文", "body"), "file": ("文件名", "file"), "category": ("类别", "category"), "batch": ("批次", "batch"),
}  # fmt: skip
KEYS = ("type", *ATTRIBUTES, "attachments", "body")
MOST_NAME = 64  #: characters of a reference or a document key
MOST_ITEMS = 500
MOST_DEPTH = 32
MOST_TEXT = 1_000_000  #: characters of one text
MOST_PARTS = 1_000_000  #: elements, or values, of one file
MOST_LISTED = 1000  #: attachments that a message names
MOST_FAULTS = 20  #: unknown names of one place that are told


def near(word: str, known: Collection[str]) -> dict[str, str]:
    """`near` for a fault's text: `（是否为 x？）` in a form that both languages read, or nothing."""
    word = without_unseen(word[:100])
    if word in known:
        return {"near": f" → {word} ?"}
    found = _remembered(word, known) if isinstance(known, tuple) else _nearest(word, known)
    return {"near": f" → {found[0]} ?" if found else ""}


def _nearest(word: str, known: Collection[str]) -> list[str]:
    same = next((each for each in known if each.lower() == word.lower()), None)
    return [same] if same is not None else difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)


#: the same mistake stands in every item of a batch, and looking for a near word takes long
_remembered = lru_cache(maxsize=4096)(_nearest)
