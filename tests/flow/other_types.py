"""Made-up document types that rest on each other: a volume of goods under a filing, a list of what is moved under both, an account."""

from __future__ import annotations

from pathlib import Path

from workshop import HEADER

_STATUS = '[status.{0}]\ncode = "{1}"\nzh = "{2}"\nen = "{0}"\n'
STATUSES = "".join(
    _STATUS.format(*one.split())
    for one in ("draft 1 暂存", "waiting 2 等待", "declared 3 已申报", "refused 4 不予备案", "approved 5 备案成功", "cancelled 6 已注销", "changing 7 变更中")
)  # fmt: skip
VERDICTS = """
[[receipt]]
code = "A1"
zh = "备案成功"
en = "approved"
status = "approved"
rank = 30
ends = "accepted"
[[receipt]]
code = "A2"
zh = "不予备案"
en = "refused"
status = "refused"
rank = 30
ends = "rejected"
releases = true
[[receipt]]
code = "X1"
zh = "已注销"
en = "cancelled"
status = "cancelled"
rank = 90
ends = "accepted"
releases = true
[[receipt]]
code = "N1"
zh = "备注"
en = "a note"
"""
OPERATIONS = """
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft", "refused"]
to = "draft"
give_numbers = ["own"]
[operation.delete]
way = "desk"
allowed = ["draft", "approved", "refused"]
[operation.declare]
way = "message"
route = "mofcom"
body = "optional"
allowed = ["", "draft", "refused"]
between = "declared"
opens_round = true
give_numbers = ["own"]
"""
CANCEL = """
[operation.cancel]
way = "message"
route = "mofcom"
allowed = ["approved"]
between = "changing"
opens_round = true
"""
FILING = f"""
title = {{ zh = "企业备案", en = "filing" }}
system = "XX"
own_number = "own"
[numbers.own]
label = {{ zh = "备案号", en = "filing no." }}
field = "FilingNo"
given = "XF{{yy}}{{serial:06d}}"
{STATUSES}
{OPERATIONS}
reserve = ["Port+Nature"]
{CANCEL}
{VERDICTS}
"""
FILING_FIELDS = """FilingNo,FilingNo,备案号,filing no.,text,18,,,,,0..1,,,,,number:own,,,,,,
Port,Port,口岸,port,text,4,,,,,0..1,,,declare,,,,,,,,
Nature,Nature,性质,nature,text,4,,,,,0..1,,,declare,,,,,,,,
Until,Until,有效期,valid until,date,,,,,,0..1,,,,,,,,,,,
Owner,Owner,单位,owner,text,40,,,,,0..1,,,,,,,,,,,
"""
VOLUME = f"""
title = {{ zh = "商品分册", en = "volume" }}
system = "XX"
own_number = "own"
[numbers.own]
label = {{ zh = "分册号", en = "volume no." }}
field = "VolumeNo"
given = "XV{{yy}}{{serial:06d}}"
[needs.filing]
type = "XX.filing"
names = "FilingNo"
status = ["approved"]
wait = ["declared", "changing"]
until = "Until"
at = ["declare"]
says = {{ zh = "企业备案 {{name}} {{status}}", en = "filing {{name}} is {{status}}" }}
[filed.filing]
types = ["XX.filing"]
names = "FilingNo"
{STATUSES}
{OPERATIONS}
waiting = "waiting"
{CANCEL}
{VERDICTS}
"""
VOLUME_FIELDS = """VolumeNo,VolumeNo,分册号,volume no.,text,18,,,,,0..1,,,,,number:own,,,,,,
FilingNo,FilingNo,备案号,filing no.,text,18,,,,,0..1,,,declare,,,,,,,,
Port,Port,口岸,port,text,4,,,,,0..1,,,,,filed:filing.Port,,,,,,
DecList[],DecList,商品,goods,table,,,,,,0..99,,,,,,,,,,,
DecList[]/GNo,GNo,序号,no.,number,2,0,,,,0..1,,,,,index,,,,,,
DecList[]/CodeTS,CodeTS,商品编号,code,text,10,,,,,0..1,,,declare,,,,,,,,
DecList[]/GName,GName,商品名称,name,text,40,,,,,0..1,,,declare,,,,,,,,
DecList[]/Unit,Unit,第二单位,second unit,text,3,,,,,0..1,,,,,,,,,,,
DecList[]/Stopped,Stopped,停用,stopped,flag,,,,,,0..1,,,,,,,,,,,
"""
LIST = f"""
title = {{ zh = "集报清单", en = "list" }}
system = "XX"
own_number = "own"
[numbers.own]
label = {{ zh = "清单号", en = "list no." }}
field = "ListNo"
given = "XL{{yy}}{{serial:06d}}"
[needs.place]
type = "XX.filing"
reserved = "Port+Nature"
status = ["approved"]
wait = ["declared", "changing"]
at = ["declare"]
says = {{ zh = "本口岸的企业备案 {{name}} {{status}}", en = "the filing for this port, {{name}}, is {{status}}" }}
[needs.volume]
type = "XX.volume"
names = "ManualNo"
same = ["Port"]
status = ["approved"]
wait = ["declared", "waiting"]
at = ["declare"]
when = [{{ path = "ManualNo", present = true }}]
says = {{ zh = "分册 {{name}} {{status}}", en = "volume {{name}} is {{status}}" }}
[filed.goods]
types = ["XX.volume"]
names = "ManualNo"
table = "DecList[]"
key = {{ ContrItem = "GNo" }}
unless = "Stopped"
{STATUSES}
{OPERATIONS}
waiting = "waiting"
reserve = ["@volume"]
{VERDICTS}
"""
LIST_FIELDS = """ListNo,ListNo,清单号,list no.,text,18,,,,,0..1,,,,,number:own,,,,,,
ManualNo,ManualNo,备案号,volume no.,text,18,,,,,0..1,,,,,,,,,,,
Port,Port,口岸,port,text,4,,,,,0..1,,,declare,,,,,,,,
Nature,Nature,性质,nature,text,4,,,,,0..1,,,,,,,,,,,
DecList[],DecList,表体,lines,table,,,,,,0..50,,,,,,,,,,,
DecList[]/ContrItem,ContrItem,备案序号,filed no.,number,9,0,,,,0..1,,,declare,,,,,,,,
DecList[]/CodeTS,CodeTS,商品编号,code,text,10,,,,,0..1,,,declare,,filed:goods.CodeTS,,,,,,
DecList[]/GName,GName,商品名称,name,text,40,,,,,0..1,,,,,filed:goods.GName,,,,,,
DecList[]/Unit,Unit,第二单位,second unit,text,3,,,,,0..1,,,,,filed:goods.Unit,,,,,,
"""
ACCOUNT = """
title = { zh = "账册", en = "account" }
system = "XX"
own_number = "account"
[numbers.account]
label = { zh = "账册编号", en = "no. of the account" }
field = "AccountNo"
[status.fetched]
code = "1"
zh = "已获取"
en = "fetched"
[operation.fetch]
way = "query"
route = "mofcom"
ask = "account"
desk = "complete"
body = "whole"
allowed = ["", "fetched"]
to = "fetched"
fetches = "DecList[]"
options = { keep = { AccountNo = "AccountNo" } }
"""
ACCOUNT_FIELDS = """AccountNo,AccountNo,账册编号,no. of the account,text,18,,,,,0..1,,,fetch,,,,,,,,
DecList[],DecList,商品,goods,table,,,,,,0..n,,,,,,,,,,,
DecList[]/GNo,GNo,序号,no.,number,9,0,,,,0..1,,,,,,,,,,,
DecList[]/CodeTS,CodeTS,商品编号,code,text,10,,,,,0..1,,,,,,,,,,,
"""
TYPES = {
    "XX.filing": (FILING, FILING_FIELDS),
    "XX.volume": (VOLUME, VOLUME_FIELDS),
    "XX.list": (LIST, LIST_FIELDS),
    "XX.account": (ACCOUNT, ACCOUNT_FIELDS),
}


def write_other_types(authority: Path) -> None:
    """The types in an authority's folder."""
    for type_, (profile, fields) in TYPES.items():
        (authority / type_).mkdir(parents=True)
        (authority / type_ / "profile.toml").write_text(profile, "utf-8")
        (authority / type_ / "fields.csv").write_text(HEADER + fields, "utf-8")


def write_types_alone(root: Path) -> Path:
    """A folder of profiles with these types and no others."""
    write_other_types(root / "mofcom")
    (root / "mofcom" / "authority.toml").write_text('title={zh="某部",en="a ministry"}\naccount_code="mofcom_code"\n', "utf-8")
    (root / "tables").mkdir()
    return root
