"""A made-up document type whose rows are added, removed, stopped and split into volumes, of a filing that they name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workshop import HEADER, Workshop

TYPE = "XX.volume"
FILING = "XX.filing"
MOST = 3  #: rows of one volume
STATUSES = """
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[status.declared]
code = "2"
zh = "已申报"
en = "declared"
[status.waiting]
code = "3"
zh = "等待备案"
en = "waiting"
[status.refused]
code = "4"
zh = "核准拒绝"
en = "refused"
[status.approved]
code = "7"
zh = "海关审批通过"
en = "approved"
[status.changing]
code = "8"
zh = "变更已申报"
en = "change declared"
[status.cancelled]
code = "9"
zh = "取消资质"
en = "cancelled"
[[receipt]]
code = "90"
zh = "取消"
en = "cancelled"
status = "cancelled"
rank = 90
[[receipt]]
code = "30"
zh = "通过"
en = "approved"
status = "approved"
rank = 30
ends = "accepted"
[[receipt]]
code = "31"
zh = "拒绝"
en = "refused"
status = "refused"
rank = 30
ends = "rejected"
"""
NUMBERS = """
system = "XX"
own_number = "own"
[numbers.own]
label = { zh = "统一编号", en = "no." }
given = "JF{yy}{serial:06d}"
field = "Number"
"""
VOLUME = f"""
title = {{ zh = "分册", en = "volume" }}
{NUMBERS}
{STATUSES}
[attachments]
types = ["application/pdf"]
most_bytes = 100000
most_files = 2
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft", "refused"]
to = "draft"
give_numbers = ["own"]
splits = "Goods[]"
[operation.declare]
way = "message"
route = "mofcom"
signed = true
card_bound = true
body = "optional"
allowed = ["", "draft", "refused"]
between = "declared"
waiting = "waiting"
opens_round = true
give_numbers = ["own"]
splits = "Goods[]"
[operation.insert]
way = "desk"
body = "whole"
allowed = ["draft", "refused"]
adds = "Goods[]"
options = {{ before = "Before" }}
[operation.remove]
way = "desk"
allowed = ["draft", "refused"]
removes = {{ rows = "Rows", table = "Goods[]" }}
[operation.amend]
way = "message"
route = "mofcom"
signed = true
body = "whole"
allowed = ["approved"]
between = "changing"
opens_round = true
adds = "Goods[]"
[operation.stop]
way = "message"
route = "mofcom"
signed = true
allowed = ["approved"]
between = "changing"
opens_round = true
marks = {{ rows = "Rows", table = "Goods[]", key = "GNo", field = "Stopped" }}
[operation.copy]
way = "desk"
desk = "copy"
allowed = ["draft", "declared", "refused", "approved"]
to = "draft"
give_numbers = ["own"]
options = {{ field = "Copies" }}
[operation.delete]
way = "desk"
allowed = ["draft", "refused"]
[needs.filing]
type = "{FILING}"
names = "FilingNo"
status = ["approved"]
wait = ["declared"]
at = ["declare"]
when = [{{ path = "FilingNo", present = true }}]
says = {{ zh = "没有已批准的备案 {{name}}", en = "there is no approved filing {{name}}" }}
"""
VOLUME_FIELDS = f"""Number,Number,统一编号,no.,text,18,,,,,0..1,,,,,number:own,,,,,,
Status,Status,状态,status,text,2,,,,,0..1,,,,,status,,,,,,
FilingNo,FilingNo,备案编号,filing no.,text,18,,,,,0..1,,,,,,filing,,,,,
Volume,Volume,分册号,volume,number,4,0,,,,0..1,,,,,part,,,,,,
Goods[],Goods,商品,goods,table,,,,,,1..{MOST},,,declare,,,,,,,,
Goods[]/GNo,GNo,序号,no.,number,4,0,,,,0..1,,,,,index,,,,,,
Goods[]/Name,Name,名称,name,text,20,,,,,0..1,,,save declare insert amend,,,,,,,,
Goods[]/Stopped,Stopped,停用,stopped,flag,,,,,,0..1,,,,,mark,,,,,,
"""
FILING_PROFILE = f"""
title = {{ zh = "备案", en = "filing" }}
{NUMBERS}
{STATUSES}
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft"]
to = "draft"
give_numbers = ["own"]
reserve = ["Title"]
[operation.declare]
way = "message"
route = "mofcom"
body = "optional"
allowed = ["", "draft"]
between = "declared"
opens_round = true
give_numbers = ["own"]
[operation.delete]
way = "desk"
allowed = ["draft", "refused", "cancelled"]
takes_along = ["{TYPE}"]
"""
FILING_FIELDS = """Number,Number,统一编号,no.,text,18,,,,,0..1,,,,,number:own,,,,,,
Title,Title,名称,title,text,20,,,,,0..1,,,,,,,,,,,
"""


def write_volumes(root: Path) -> Path:
    """A folder of profiles with the two types."""
    authority = root / "mofcom"
    _write(authority)
    (authority / "authority.toml").write_text('title={zh="某部",en="a ministry"}\naccount_code="mofcom_code"\n', "utf-8")
    (root / "tables").mkdir()
    return root


def add_volumes(home: Path) -> None:
    """The two types as a home's own."""
    _write(home / "profiles" / "mofcom")


def _write(authority: Path) -> None:
    for type_, profile, fields in ((TYPE, VOLUME, VOLUME_FIELDS), (FILING, FILING_PROFILE, FILING_FIELDS)):
        (authority / type_).mkdir(parents=True)
        (authority / type_ / "profile.toml").write_text(profile, "utf-8")
        (authority / type_ / "fields.csv").write_text(HEADER + fields, "utf-8")


def goods(names: Iterable[str]) -> str:
    return "".join(f"<Goods><Name>{name}</Name></Goods>" for name in names)


def message(operation: str, reference: str, body: str = "", *, document: str = "", type_: str = TYPE, more: str = "") -> str:
    named = f' document="{document}"' if document else ""
    return (
        f'<{type_} xmlns="urn:tongguan:{type_}:1" operation="{operation}" reference="{reference}"{named}{more}>{body}</{type_}>'
    )


def rows(shop: Workshop, key: str) -> list[tuple[str, str]]:
    """Numbers and names of a volume's rows, as its own file shows them."""
    document = shop.site.document(TYPE, key)
    assert document is not None, key
    return [(row["GNo"], row["Name"]) for row in document["body"].get("Goods", ())]


def send(shop: Workshop, operation: str, reference: str, body: str = "", *states: str, document: str = "") -> dict[str, Any]:
    """Drop a message of a volume and play until it is there."""
    return shop.play(shop.site.drop(message(operation, reference, body, document=document)), *states)
