"""Made-up document types for tests: a licence, a list that takes what it declares of the licence that it cites, and changes of lists."""

from __future__ import annotations

from pathlib import Path

HEADER = (
    "path,name,label,label_en,type,length,precision,least,most,pattern,occurs,code_table,unit,required_at,changeable_by,"
    "fill,find,line,key,sum,sign_order,source\n"
)
LICENCE, LIST, CHANGE = "XX.licence", "XX.list", "XX.change"
NUMBER = "26AA000001"
_WAY = 'way = "message"\nroute = "mofcom"\nsigned = true\ncard_bound = true\nbody = "optional"\nopens_round = true\n'
_LICENCE = f"""
title = {{ zh = "许可证申请", en = "licence application" }}
system = "XX"
own_number = "licence"
[numbers.licence]
label = {{ zh = "许可证号", en = "licence no." }}
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[status.declaring]
code = "2"
zh = "上报中"
en = "being declared"
[status.approved]
code = "3"
zh = "复审通过"
en = "approved"
[operation.declare]
{_WAY}allowed = ["", "draft"]
between = "declaring"
[[receipt]]
code = "30"
zh = "复审通过"
en = "approved"
status = "approved"
rank = 30
ends = "accepted"
[statistics]
status = ["approved"]
table = "Goods[]"
commodity = "CodeTS"
unit = "Unit"
quantity = "Quantity"
"""
_LICENCE_FIELDS = """Goods[],Goods,商品,goods,table,,,,,,0..4,,,,,,,,,,,
Goods[]/CodeTS,CodeTS,商品代码,commodity code,text,10,,,,,0..1,,,declare,,,,,,,,
Goods[]/Unit,Unit,单位,unit,code,3,,,,,0..1,unit,,declare,,,,,,,,
Goods[]/Quantity,Quantity,数量,quantity,number,15,4,,,,0..1,,,declare,,,,,,,,
"""
_LIST = f"""
title = {{ zh = "清单", en = "list" }}
system = "XX"
own_number = "own"
[numbers.own]
label = {{ zh = "清单号", en = "list no." }}
given = "XL{{yy}}{{serial:06d}}"
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[status.declared]
code = "2"
zh = "已申报"
en = "declared"
[status.refused]
code = "5"
zh = "退单"
en = "refused"
[status.approved]
code = "7"
zh = "审批通过"
en = "approved"
[status.amending]
code = "8"
zh = "变更已申报"
en = "amendment declared"
[status.deleted]
code = "17"
zh = "海关删除"
en = "deleted"
[status.cancelled]
code = "16"
zh = "已撤销"
en = "cancelled"
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft", "refused"]
to = "draft"
give_numbers = ["own"]
[operation.declare]
{_WAY}allowed = ["", "draft", "refused"]
between = "declared"
give_numbers = ["own"]
[operation.amend]
{_WAY}allowed = ["approved"]
between = "amending"
pending = true
[operation.delete]
way = "desk"
allowed = ["draft", "refused", "approved"]
[[receipt]]
code = "E"
zh = "退单"
en = "refused"
status = "refused"
rank = 20
ends = "rejected"
releases = true
[[receipt]]
code = "7"
zh = "审批通过"
en = "approved"
status = "approved"
rank = 30
ends = "accepted"
[[receipt]]
code = "B1"
zh = "变更通过"
en = "amendment approved"
status = "approved"
rank = 30
ends = "accepted"
answers = "amend"
pending = "applies"
[[receipt]]
code = "B2"
zh = "变更拒绝"
en = "amendment refused"
status = "approved"
rank = 30
ends = "rejected"
answers = "amend"
pending = "drops"
[[receipt]]
code = "D"
zh = "海关删除"
en = "deleted"
status = "deleted"
rank = 90
releases = true
[takes]
licence = "LicenseNo"
table = "DecList[]"
commodity = "CodeTS"
unit = "GUnit"
quantity = "GQty"
at = ["declare"]
"""
_LIST_FIELDS = """LicenseNo,LicenseNo,许可证号,licence no.,text,20,,,,,0..1,,,,,,,,,,,
DecList[],DecList,表体,rows,table,,,,,,0..50,,,,,,,,,,,
DecList[]/CodeTS,CodeTS,商品编号,commodity code,text,10,,,,,0..1,,,declare,,,,,,,,
DecList[]/GUnit,GUnit,申报单位,unit,code,3,,,,,0..1,unit,,declare,,,,,,,,
DecList[]/GQty,GQty,申报数量,quantity,number,19,5,0.00001,,,0..1,,,declare,,,,,,,,
"""
_CHANGE = f"""
title = {{ zh = "修撤单", en = "change" }}
system = "XX"
own_number = "own"
[numbers.own]
label = {{ zh = "修撤单编号", en = "change no." }}
given = "XC{{yy}}{{serial:06d}}"
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[status.declared]
code = "2"
zh = "已申报"
en = "declared"
[status.agreed]
code = "4"
zh = "同意"
en = "agreed"
[status.disagreed]
code = "5"
zh = "不同意"
en = "not agreed"
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft", "disagreed"]
to = "draft"
give_numbers = ["own"]
[operation.declare]
{_WAY}allowed = ["", "draft", "disagreed"]
between = "declared"
give_numbers = ["own"]
[operation.delete]
way = "desk"
allowed = ["draft", "disagreed"]
[needs.list]
type = "XX.list"
names = "ListNo"
status = ["approved"]
at = ["declare"]
says = {{ zh = "清单 {{name}} 为“{{status}}”，不能修改", en = "list {{name}} is “{{status}}” and cannot be changed" }}
[changes]
need = "list"
table = "Change[]"
place = "Place"
label = "Label"
old = "Old"
new = "New"
cancels = [{{ path = "Kind", is = "2" }}]
cancelled = "cancelled"
rank = 95
[[receipt]]
code = "A1"
zh = "同意"
en = "agreed"
status = "agreed"
rank = 30
ends = "accepted"
changes = true
[[receipt]]
code = "A2"
zh = "不同意"
en = "not agreed"
status = "disagreed"
rank = 30
ends = "rejected"
"""
_CHANGE_FIELDS = """Kind,Kind,修撤单类型,kind,text,1,,,,,0..1,,,,,,,,,,,
ListNo,ListNo,清单号,list,text,30,,,,,0..1,,,declare,,,,,,,,
Change[],Change,修改项,changes,table,,,,,,0..20,,,,,,,,,,,
Change[]/Place,Place,修改项,place,text,60,,,,,0..1,,,declare,,,,,,,,
Change[]/Label,Label,修改项名称,label,text,100,,,,,0..1,,,,,changes,,,,,,
Change[]/Old,Old,修改前,before,text,200,,,,,0..1,,,,,changes,,,,,,
Change[]/New,New,修改后,after,text,200,,,,,0..1,,,,,,,,,,,
"""


def write_types(authority: Path) -> None:
    """Put the types into the folder of an authority."""
    every = ((LICENCE, _LICENCE, _LICENCE_FIELDS), (LIST, _LIST, _LIST_FIELDS), (CHANGE, _CHANGE, _CHANGE_FIELDS))
    for type_, profile, fields in every:
        (authority / type_).mkdir(parents=True)
        (authority / type_ / "profile.toml").write_text(profile, "utf-8")
        (authority / type_ / "fields.csv").write_text(HEADER + fields, "utf-8")


def licence_body(*lines: tuple[str, str, str]) -> str:
    """Commodity, unit and quantity of each line."""
    rows = (f"<Goods><CodeTS>{c}</CodeTS><Unit>{u}</Unit><Quantity>{q}</Quantity></Goods>" for c, u, q in lines)
    return "".join(rows)


def list_body(*rows: tuple[str, str, str], licence: str = NUMBER) -> str:
    """Commodity, unit and quantity of each row."""
    lines = (f"<DecList><CodeTS>{c}</CodeTS><GUnit>{u}</GUnit><GQty>{q}</GQty></DecList>" for c, u, q in rows)
    return f"<LicenseNo>{licence}</LicenseNo>{''.join(lines)}"
