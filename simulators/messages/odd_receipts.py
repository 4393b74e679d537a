"""Signed receipts with one thing in them that is not as it should be.

An authority's own mistakes, and what a thief of its key would try: the signature is right, what is said is not.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from copy import deepcopy

from lxml import etree

from tongguan.simulators.server.office import RECEIPT

#: attributes as they stand in the odd receipt instead of their own; "" stands for none
_ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "kindless": {"kind": ""},
    "otherkind": {"kind": "verdict"},
    "code": {"code": "X9", "text": "尚无说明的状态"},
    "idless": {"id": ""},
    "account": {"account": "9999999999999"},
    "authority": {"authority": "nobody"},
    "type": {"type": "XX.other"},
    "message": {"message": "0193b3c0-0000-7000-8000-000000000000-1"},
    "environment": {"environment": "production"},
    "year1": {"issued_at": "0001-01-01T00:00:00.000+08:00"},
    "year9999": {"issued_at": "9999-12-31T23:59:59.999+08:00"},
    "future": {"issued_at": "2099-01-01T00:00:00.000+08:00"},
    "timeless": {"issued_at": ""},
    "words": {"issued_at": "昨天"},
    "long": {"number": "9" * 10_000},
    "hidden": {"number": "NA26\u200b0001"},
}
KIND, TWICE = "kind", "twice"
ODD = frozenset({*_ATTRIBUTES, KIND, TWICE})


def odd(written: etree._Element, what: str) -> etree._Element:
    """Give a copy of an unsigned receipt with that in it, under an id of its own; of a thing that is not known a plain copy."""
    root = deepcopy(written)
    root.set("id", uuid.uuid4().hex)
    changes = dict(_ATTRIBUTES.get(what, {}))
    if what == KIND:
        changes["kind"] = "business" if root.get("kind") == "technical" else "technical"
    for name, value in changes.items():
        if value:
            root.set(name, value)
        elif name in root.attrib:
            del root.attrib[name]
    if what == TWICE:
        numbers = etree.SubElement(root, f"{{{RECEIPT}}}Numbers")
        for value in ("1", "2"):
            etree.SubElement(numbers, f"{{{RECEIPT}}}Number", name="licence").text = value
    return root
