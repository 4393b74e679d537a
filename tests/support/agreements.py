"""Made-up types for what holds only once an authority agrees: a filing that is amended and extended, a change of it, and a request
whose rows are answered each by itself."""

from __future__ import annotations

from pathlib import Path

HEADER = (
    "path,name,label,label_en,type,length,precision,least,most,pattern,occurs,code_table,unit,required_at,changeable_by,"
    "fill,find,line,key,sum,sign_order,source\n"
)
FILING = """
title = { zh = "备案", en = "filing" }
system = "XX"
own_number = "own"
[numbers.own]
label = { zh = "备案号", en = "filing no." }
field = "FilingNo"
given = "XF{yy}{serial:06d}"
[numbers.customs]
label = { zh = "海关编号", en = "customs no." }
field = "CustomsNo"
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[status.declared]
code = "2"
zh = "已申报"
en = "declared"
[status.refused]
code = "4"
zh = "核准拒绝"
en = "refused"
[status.approved]
code = "7"
zh = "审批通过"
en = "approved"
[status.changing]
code = "8"
zh = "变更已申报"
en = "change declared"
[status.extending]
code = "10"
zh = "延期已申请"
en = "extension applied for"
[status.cancelled]
code = "9"
zh = "取消"
en = "cancelled"
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft", "refused"]
to = "draft"
give_numbers = ["own"]
reserve = ["Code"]
[operation.declare]
way = "message"
route = "mofcom"
signed = true
card_bound = true
body = "optional"
allowed = ["", "draft", "refused"]
between = "declared"
opens_round = true
give_numbers = ["own"]
reserve = ["Code"]
[operation.amend]
way = "message"
route = "mofcom"
signed = true
card_bound = true
body = "whole"
allowed = ["approved"]
between = "changing"
opens_round = true
pending = true
reserve = ["Code"]
brings = { S2 = "approved", R2 = "approved", B2 = "approved" }
[operation.extend]
way = "message"
route = "mofcom"
signed = true
card_bound = true
allowed = ["approved"]
between = "extending"
opens_round = true
brings = { S2 = "approved", R2 = "approved" }
[operation.print]
way = "desk"
desk = "print"
allowed = ["draft", "declared", "approved", "changing"]
options = { elements = ["Form"] }
[operation.query]
way = "desk"
desk = "query"
route = "mofcom"
waits = false
[[receipt]]
code = "S1"
zh = "发往海关成功"
en = "sent to customs"
rank = 10
[[receipt]]
code = "S2"
zh = "发送失败"
en = "not sent"
status = "refused"
rank = 11
pending = "drops"
ends = "rejected"
releases = true
[[receipt]]
code = "R1"
zh = "海关接受成功"
en = "received by customs"
rank = 20
sets = { AcceptDate = "@issued_date" }
[[receipt]]
code = "R2"
zh = "接受失败"
en = "not received"
status = "refused"
rank = 21
pending = "drops"
ends = "rejected"
releases = true
[[receipt]]
code = "A1"
zh = "审批通过"
en = "approved"
status = "approved"
rank = 30
sets = { ApprovedUntil = "ValidUntil" }
ends = "accepted"
[[receipt]]
code = "A2"
zh = "核准拒绝"
en = "refused"
status = "refused"
rank = 30
ends = "rejected"
releases = true
[[receipt]]
code = "B1"
zh = "变更通过"
en = "change agreed"
status = "approved"
rank = 30
pending = "applies"
ends = "accepted"
answers = "amend"
[[receipt]]
code = "B2"
zh = "变更拒绝"
en = "change refused"
status = "refused"
rank = 30
pending = "drops"
ends = "rejected"
answers = "amend"
[[receipt]]
code = "X1"
zh = "延期通过"
en = "extended"
status = "approved"
rank = 30
sets = { ApprovedUntil = "ValidUntil" }
ends = "accepted"
answers = "extend"
[[receipt]]
code = "X2"
zh = "延期拒绝"
en = "not extended"
status = "approved"
rank = 30
ends = "rejected"
answers = "extend"
[[receipt]]
code = "C1"
zh = "取消"
en = "cancelled"
status = "cancelled"
rank = 90
pending = "drops"
releases = true
[statistics]
status = ["approved"]
table = "Goods[]"
commodity = "Name"
quantity = "Quantity"
[query.list]
source = "journal"
filters = { amount = "Amount" }
columns = [{ name = "no", zh = "备案号", en = "no.", of = "number.own" }, { name = "amount", zh = "担保额度", en = "amount", of = "Amount" }]
[query.status]
source = "authority"
ask = "status"
columns = [{ name = "status", zh = "状态", en = "status", of = "status" }]
[query.statistics]
source = "journal"
ask = "statistics"
filters = { month = "statistics.month" }
required = ["month"]
columns = [{ name = "code", zh = "商品", en = "goods", of = "statistics.code" }, { name = "quantity", zh = "数量", en = "quantity", of = "statistics.month_quantity" }]
"""
FILING_FIELDS = """FilingNo,FilingNo,备案号,filing no.,text,18,,,,,0..1,,,,,number:own,,,,,,
CustomsNo,CustomsNo,海关编号,customs no.,text,18,,,,,0..1,,,,,number:customs,,,,,,
Status,Status,状态,status,text,2,,,,,0..1,,,,,status,,,,,,
Code,Code,代码,code,text,10,,,,,0..1,,,save declare,,,code,,,,,
Nature,Nature,性质,nature,text,10,,,,,0..1,,,,save declare,,,,,,,
Amount,Amount,担保额度,amount,number,19,4,0,,,0..1,,,declare,,,amount,,,,,
Until,Until,担保有效期,valid until,date,,,,,,0..1,,,,,,,,,,,
ApprovedUntil,ApprovedUntil,核准有效期,approved until,date,,,,,,0..1,,,,,receipt,,,,,,
AcceptDate,AcceptDate,接受日期,accepted on,date,,,,,,0..1,,,,,receipt,,,,,,
Contact,Contact,联系,contact,group,,,,,,0..1,,,,,,,,,,,
Contact/Phone,Phone,电话,phone,text,30,,,,,0..1,,,,,,,,,,,
Goods[],Goods,商品,goods,table,,,,,,0..9,,,,,,,,,,,
Goods[]/GNo,GNo,序号,no.,number,2,,,,,0..1,,,,,index,,,,,,
Goods[]/Name,Name,品名,name,text,20,,,,,0..1,,,declare,,,,,,,,
Goods[]/Quantity,Quantity,数量,quantity,number,19,5,0.00001,,,0..1,,,declare,,,,,,,,
Total,Total,总数量,total,number,19,5,,,,0..1,,,,,sum:Goods[]/Quantity,,,,,,
"""
FILING_RULES = """
[[rule]]
id = "XX-A01"
at = ["declare", "amend"]
path = "Amount"
check = "differs"
with = { others = ["Total"] }
says = { zh = "担保额度不能等于总数量", en = "the amount must not be the total" }
"""
CHANGE = """
title = { zh = "修撤单", en = "change" }
system = "XX"
own_number = "own"
[numbers.own]
label = { zh = "修撤单编号", en = "change no." }
field = "ChangeNo"
given = "XC{yy}{serial:06d}"
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[status.declared]
code = "2"
zh = "已申报"
en = "declared"
[status.received]
code = "3"
zh = "海关接收"
en = "received"
[status.agreed]
code = "4"
zh = "同意"
en = "agreed"
[status.not_agreed]
code = "5"
zh = "不同意"
en = "not agreed"
[status.failed]
code = "6"
zh = "接收失败"
en = "not received"
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft", "failed"]
to = "draft"
give_numbers = ["own"]
[operation.declare]
way = "message"
route = "mofcom"
signed = true
card_bound = true
body = "optional"
allowed = ["", "draft", "failed"]
between = "declared"
opens_round = true
give_numbers = ["own"]
reserve = ["@filing"]
[needs.filing]
type = "XX.filing"
names = "FilingNo"
status = ["approved"]
at = ["declare"]
says = { zh = "备案 {name} 为“{status}”，不能修改", en = "filing {name} is “{status}” and cannot be changed" }
[changes]
need = "filing"
table = "Change[]"
place = "Place"
label = "Label"
old = "Old"
new = "New"
version = "Version"
never = ["Code", "Goods[]/Name"]
cancels = [{ path = "Kind", is = "2" }]
cancelled = "cancelled"
rank = 95
[[receipt]]
code = "R1"
zh = "海关接收"
en = "received"
status = "received"
rank = 20
[[receipt]]
code = "R2"
zh = "接收失败"
en = "not received"
status = "failed"
rank = 21
ends = "rejected"
releases = true
[[receipt]]
code = "A1"
zh = "同意"
en = "agreed"
status = "agreed"
rank = 30
ends = "accepted"
releases = true
changes = true
[[receipt]]
code = "A2"
zh = "不同意"
en = "not agreed"
status = "not_agreed"
rank = 30
ends = "rejected"
releases = true
"""
CHANGE_FIELDS = """ChangeNo,ChangeNo,修撤单编号,change no.,text,18,,,,,0..1,,,,,number:own,,,,,,
Status,Status,状态,status,text,2,,,,,0..1,,,,,status,,,,,,
Kind,Kind,修撤单类型,kind,text,1,,,,,0..1,,,save declare,,,,,,,,
FilingNo,FilingNo,备案号,filing no.,text,18,,,,,0..1,,,save declare,,,,,,,,
Version,Version,版本,version,number,9,,,,,0..1,,,,,changes,,,,,,
Change[],Change,修改项,changes,table,,,,,,0..20,,,,,,,,,,,
Change[]/Place,Place,修改位置,place,text,60,,,,,0..1,,,save declare,,,,,,,,
Change[]/Label,Label,修改项名称,label,text,100,,,,,0..1,,,,,changes,,,,,,
Change[]/Old,Old,修改前,before,text,2000,,,,,0..1,,,,,changes,,,,,,
Change[]/New,New,修改后,after,text,2000,,,,,0..1,,,,,,,,,,,
Reason,Reason,原因,reason,text,255,,,,,0..1,,,declare,,,,,,,,
"""
REQUEST = """
title = { zh = "单证申请", en = "request for papers" }
system = "XX"
own_number = "own"
[numbers.own]
label = { zh = "申请编号", en = "request no." }
field = "RequestNo"
given = "XR{yy}{serial:06d}"
[status.draft]
code = "0"
zh = "暂存"
en = "draft"
[status.declared]
code = "1"
zh = "已申请"
en = "applied"
[status.underway]
code = "2"
zh = "处理中"
en = "under way"
[status.done]
code = "3"
zh = "已完成"
en = "done"
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft", "done"]
to = "draft"
give_numbers = ["own"]
[operation.declare]
way = "message"
route = "mofcom"
signed = true
card_bound = true
body = "optional"
allowed = ["", "draft", "done"]
between = "declared"
opens_round = true
give_numbers = ["own"]
[[receipt]]
code = "P1"
zh = "单证状态"
en = "state of an entry"
status = "underway"
rank = 20
rows = { table = "Entry[]", key = "EntryId", at = "ToldAt", sets = { State = "State", MadeAt = "Made/At", Reason = "Reason" } }
[[receipt]]
code = "P9"
zh = "已完成"
en = "done"
status = "done"
rank = 30
ends = "accepted"
"""
REQUEST_FIELDS = """RequestNo,RequestNo,申请编号,request no.,text,18,,,,,0..1,,,,,number:own,,,,,,
Entry[],Entry,报关单,entries,table,,,,,,1..50,,,declare,,,,,,,,
Entry[]/EntryId,EntryId,报关单号,entry no.,text,18,,,,,0..1,,,declare,,,,,,,,
Entry[]/Note,Note,备注,note,text,18,,,,,0..1,,,,,,,,,,,
Entry[]/State,State,状态,state,number,1,,0,4,,0..1,,,,,receipt,,,,,,
Entry[]/MadeAt,MadeAt,生成日期,made on,date,,,,,,0..1,,,,,receipt,,,,,,
Entry[]/Reason,Reason,原因,reason,text,50,,,,,0..1,,,,,receipt,,,,,,
Entry[]/ToldAt,ToldAt,告知时间,told at,datetime,,,,,,0..1,,,,,receipt,,,,,,
"""


def write_agreements(root: Path) -> Path:
    """A folder of profiles with the three types, of one authority, which is the MOFCOM of the test's home."""
    for type_, profile, fields, rules in (
        ("XX.filing", FILING, FILING_FIELDS, FILING_RULES),
        ("XX.change", CHANGE, CHANGE_FIELDS, ""),
        ("XX.request", REQUEST, REQUEST_FIELDS, ""),
    ):
        folder = root / "mofcom" / type_
        folder.mkdir(parents=True)
        (folder / "profile.toml").write_text(profile, "utf-8")
        (folder / "fields.csv").write_text(HEADER + fields, "utf-8")
        if rules:
            (folder / "rules.toml").write_text(rules, "utf-8")
    (root / "mofcom" / "authority.toml").write_text(
        'title = { zh = "某部", en = "a ministry" }\naccount_code = "mofcom_code"\n', "utf-8"
    )
    (root / "tables").mkdir()
    return root
