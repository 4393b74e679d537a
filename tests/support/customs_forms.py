"""Filings, lists and changes of collective declaration as they leave a gateway, made from the installed examples."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from lxml import etree

from tongguan.simulators.script.profile_folders import installed_profiles

TRADER = "2102960001"
_serials = itertools.count(1)


def serial(stem: str) -> str:
    """A number of the gateway's that no other test has."""
    return f"{stem}2026{next(_serials):012d}"


def example(type_: str, name: str) -> dict[str, Any]:
    """The content of an installed example: texts, and rows in lists."""
    path = installed_profiles() / "customs" / type_ / "examples" / name
    if path.suffix == ".json":
        return dict(json.loads(path.read_text("utf-8"))["body"])
    content: dict[str, Any] = {}
    for child in etree.parse(path).getroot().iterchildren("{*}*"):
        name_ = etree.QName(child).localname
        if len(child):
            content.setdefault(name_, []).append({etree.QName(one).localname: one.text for one in child})
        else:
            content[name_] = child.text
    return content


def wire(content: dict[str, Any]) -> str:
    """Write a content as elements; nothing for empty ones."""
    written = []
    for name, value in content.items():
        for row in value if isinstance(value, list) else [value]:
            inside = wire(row) if isinstance(row, dict) else (row or "")
            written.append(f"<{name}>{inside}</{name}>" if inside else "")
    return "".join(written)


def qualification(name: str = "ok-save.xml", **more: Any) -> dict[str, Any]:
    content = example("CD.qualification", name)
    bonded = "1" if content["Nature"] == "2" else "0"
    return {"FilingNo": serial("JB"), **content, "TradeCode": TRADER, "Bonded": bonded, **more}


def volume(filing: str, *goods: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A volume; without goods it has those of the example."""
    content = example("CD.goods", "ok-save.xml")
    rows = list(goods) or content["DecList"]
    lines = [{"GNo": str(n), **row} for n, row in enumerate(rows, 1)]
    known = {"FilingNo": filing, "CustomMaster": "0908", "Nature": "1", "TradeCode": TRADER}
    return {"VolumeUnifiedNo": serial("JF"), **known, "DecList": lines, **more}


def listed(name: str, manual: str, **more: Any) -> dict[str, Any]:
    """A list of an example under a filing, as the gateway fills it."""
    content = example("CD.list", name)
    bonded = "1" if content["Nature"] == "2" else "0"
    system = {"SeqNo": serial("JQ"), "TradeCode": TRADER, "Bonded": bonded, "PromiseItmes": "999", "ManualNo": manual}
    owner = {"OwnerCode": TRADER, "OwnerCodeScc": "91210200MA0EXAMPLC", "OwnerName": "大连示例进出口有限公司"}
    lines = [{"GNo": str(n), "DeclTotal": "1", **row} for n, row in enumerate(content["DecList"], 1)]
    return {"TradeMode": "0110", **content, **system, **owner, "DecList": lines, **more}


def change(of: str, *rows: tuple[str, str, str], kind: str = "1") -> dict[str, Any]:
    """A request to change (rows of place, old, new) or to cancel a list."""
    written = [{"Place": place, "Label": place, "Old": old, "New": new} for place, old, new in rows]
    head = {"ChangeNo": serial("XC"), "ChangeKind": kind, "ListNo": of, "Change": written}
    return {**head, "Reason": "录入有误", "Contact": "李示例", "Phone": "0411-80000002"}


def scripts(root: Path) -> Path:
    """Copy customs' folders of these types, with scripts that take messages without a signature."""
    for folder in (path.parent for path in (installed_profiles() / "customs").glob("CD.*/replies.toml")):
        place = root / "customs" / folder.name
        place.mkdir(parents=True)
        script = (folder / "replies.toml").read_text("utf-8").replace("[[flow]]\n", '[[flow]]\nunsigned = "free=1"\n')
        (place / "replies.toml").write_text(f'{script}\n[choice.free]\ndefault = "1"\n', "utf-8")
        (place / "fields.csv").write_bytes((folder / "fields.csv").read_bytes())
    (root / "mofcom").mkdir()
    return root
