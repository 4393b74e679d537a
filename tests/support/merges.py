"""Made-up types that are merged: notes of deliveries become invoices, month by month."""

from __future__ import annotations

from pathlib import Path

from agreements import HEADER

NOTE, INVOICE, MERGE = "XX.note", "XX.invoice", "XX.merge"
_DRAFT = """
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
"""
_NOTE = f"""
title = {{ zh = "送货单", en = "delivery note" }}
system = "XX"
own_number = "own"
[numbers.own]
label = {{ zh = "送货单号", en = "note no." }}
field = "NoteNo"
given = "XN{{yyyy}}{{serial:06d}}"
{_DRAFT}
[status.underway]
code = "2"
zh = "在途"
en = "under way"
[status.ready]
code = "3"
zh = "已签收"
en = "received"
[status.taken]
code = "4"
zh = "汇总中"
en = "being merged"
[status.merged]
code = "5"
zh = "已汇总"
en = "merged"
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft", "underway"]
to = "underway"
give_numbers = ["own"]
[status.singly]
code = "6"
zh = "已单独申报"
en = "declared singly"
[operation.confirm]
way = "desk"
allowed = ["ready"]
to = "singly"
[operation.declare]
way = "desk"
desk = "save"
body = "whole"
allowed = ["", "draft", "underway", "ready"]
to = "ready"
give_numbers = ["own"]
[lines]
status = ["underway", "ready", "taken", "merged"]
pool = ["Kind"]
day = "Day"
rates = "Day"
"""
_NOTE_FIELDS = """NoteNo,NoteNo,送货单号,note no.,text,20,,,,,0..1,,,,,number:own,,,,,,
Kind,Kind,类别,kind,code,1,,,,,0..1,kind,,save,,,kind,,head,,,
Day,Day,日期,day,date,,,,,,0..1,,,save,,,,,,,,
Buyer,Buyer,买方,buyer,text,20,,,,,0..1,,,save,,,buyer,,head,,,
Place,Place,地点,place,text,20,,,,,0..1,,,,,,,,,,,
Weight,Weight,重量,weight,number,19,3,0,,,0..1,,,save,,,,,,head,,
Rows[],Rows,明细,rows,table,,,,,,0..5,,,,,,,line,,,,
Rows[]/Code,Code,编码,code,text,10,,,,,0..1,,,save,,,,,line,,,
Rows[]/Price,Price,单价,price,number,10,2,0,,,0..1,,,save,,,,,line,,,
Rows[]/Amount,Amount,数量,amount,number,12,2,0,,,0..1,,,save,,,,,,line,,
"""
_INVOICE = f"""
title = {{ zh = "发票", en = "invoice" }}
system = "XX"
own_number = "own"
[numbers.own]
label = {{ zh = "发票号", en = "invoice no." }}
given = "XI{{yyyy}}{{serial:06d}}"
{_DRAFT}
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft"]
to = "draft"
give_numbers = ["own"]
[status.sent]
code = "2"
zh = "已发出"
en = "sent"
[operation.declare]
way = "desk"
desk = "save"
body = "optional"
allowed = ["draft"]
to = "sent"
[operation.delete]
way = "desk"
desk = "delete"
allowed = ["draft"]
"""
_INVOICE_FIELDS = """Head,Head,表头,head,group,,,,,,0..1,,,,,,,,,,,
Head/Kind,Kind,类别,kind,code,1,,,,,0..1,kind,,save,,,,,,,,
Head/Buyer,Buyer,买方,buyer,text,20,,,,,0..1,,,save,,,,,,,,
Head/Days,Days,日期,days,text,16,,,,,0..1,,,save,,,,,,,,
Head/Places,Places,地点,places,text,8,,,,,0..1,,,,,,,,,,,
Head/Remark,Remark,备注,remark,text,20,,,,,0..1,,,,,,,,,,,
Head/Agent,Agent,代理,agent,text,20,,,,,0..1,,,,,,,,,,,
Head/Weight,Weight,重量,weight,number,19,3,0,,,0..1,,,save,,,,,,,,
Body,Body,表体,body,group,,,,,,0..1,,,,,,,,,,,
Body/Line[],Line,明细,lines,table,,,,,,0..3,,,,,,,,,,,
Body/Line[]/Code,Code,编码,code,text,10,,,,,0..1,,,save,,,,,,,,
Body/Line[]/Price,Price,单价,price,number,10,2,0,,,0..1,,,save,,,,,,,,
Body/Line[]/Amount,Amount,数量,amount,number,12,2,0,,,0..1,,,save,,,,,,,,
Notes[],Notes,送货单,notes,table,,,,,,0..99,,,,,,,,,,,
Notes[]/No,No,送货单号,no.,text,20,,,,,0..1,,,save,,,,,,,,
"""
_MERGE = """
title = { zh = "送货单汇总", en = "merge of notes" }
system = "XX"
own_number = "own"
[numbers.own]
label = { zh = "汇总编号", en = "no. of the merge" }
field = "MergeNo"
given = "XM{yyyy}{serial:06d}"
[status.begun]
code = "1"
zh = "汇总成功，待处理"
en = "merge begun"
[status.working]
code = "2"
zh = "处理中"
en = "in work"
[status.made]
code = "3"
zh = "已生成"
en = "made"
[status.none]
code = "4"
zh = "无单据"
en = "none"
[status.partly]
code = "5"
zh = "部分未生成"
en = "some left out"
[operation.merge]
way = "desk"
body = "whole"
allowed = [""]
to = "begun"
give_numbers = ["own"]
waits = false
[operation.query]
way = "desk"
route = "mofcom"
waits = false
[calendar.merge]
operation = "merge"
setting = "merge"
each = { Kind = ["1", "2"] }
month = "Month"
[merge]
merges = "XX.note"
ready = "ready"
taken = "taken"
merged = "merged"
rank = 9
underway = ["underway"]
makes = "XX.invoice"
operation = "save"
head_at = "Head"
lines_at = "Body/Line[]"
declared = ["sent"]
parts = "Notes[]/No"
parts_by = "own"
rates = ["rates"]
chosen = "Chosen[]/No"
month = "Month"
first = "First"
last = "Last"
agent = "Agent"
agent_name = "AgentName"
agents = "agents"
offer = "offer"
working = "working"
made = "made"
partly = "partly"
none = "none"
most_lines = 3
portion = 2
filters = { Buyer = "Buyer" }
[merge.head]
Days = "span:Day"
Places = "joined:Place"
Remark = "month:汇总"
Agent = "agent:name"
[[merge.case]]
of = { Kind = ["1"] }
day = 10
within_year = { zh = "不能跨年度汇总", en = "not across the year" }
[[merge.case]]
of = { Kind = ["2"] }
line = { Code = "is:X" }
[query.offer]
ask = "offer"
required = ["Kind"]
filters = { Kind = "merge.Kind", Month = "merge.Month", First = "merge.First", Last = "merge.Last", Buyer = "merge.Buyer" }
columns = [
  { name = "note", zh = "送货单号", en = "note", of = "merge.number" },
  { name = "day", zh = "日期", en = "day", of = "merge.day" },
  { name = "status", zh = "状态", en = "status", of = "merge.status" },
  { name = "taken", zh = "是否汇总", en = "taken", of = "merge.taken" },
  { name = "invoice", zh = "发票", en = "invoice", of = "merge.made" },
  { name = "why", zh = "原因", en = "why not", of = "merge.why" },
]
"""
_MERGE_FIELDS = """MergeNo,MergeNo,汇总编号,no.,text,20,,,,,0..1,,,,,number:own,,,,,,
Kind,Kind,类别,kind,code,1,,,,,0..1,kind,,merge,,,,,,,,
Month,Month,月份,month,text,7,,,,20[0-9]{2}-(0[1-9]|1[0-2]),0..1,,,,,,,,,,,
First,First,起,first,date,,,,,,0..1,,,,,,,,,,,
Last,Last,止,last,date,,,,,,0..1,,,,,,,,,,,
Buyer,Buyer,买方,buyer,text,20,,,,,0..1,,,,,,,,,,,
Chosen[],Chosen,单据,chosen,table,,,,,,0..99,,,,,,,,,,,
Chosen[]/No,No,单号,no.,text,64,,,,,0..1,,,merge,,,,,,,,
Agent,Agent,代理代码,agent,text,20,,,,,0..1,,,,,,,,,,,
AgentName,AgentName,代理名称,agent's name,text,40,,,,,0..1,,,,,mark,,,,,,
"""
_TABLES = {
    "kind": "code,zh,en\n1,一般,general\n2,其他,other\n",
    "agents": "code,zh,en\nAG1,示例代理,Sample Agents\n",
    "rates": "code,zh,en,until\n2000-01-01,前期,before,2029-12-31\n2030-01-01,一期,first,2030-06-14\n2030-06-15,二期,second,2030-09-30\n2030-10-02,三期,third,\n",
}


def write_merges(root: Path, *, merge: str = _MERGE, authority_too: bool = True) -> Path:
    """A folder of profiles with the three types; without the authority where that is installed."""
    authority = root / "mofcom"
    for type_, profile, fields in (
        (NOTE, _NOTE, _NOTE_FIELDS),
        (INVOICE, _INVOICE, _INVOICE_FIELDS),
        (MERGE, merge, _MERGE_FIELDS),
    ):
        (authority / type_).mkdir(parents=True)
        (authority / type_ / "profile.toml").write_text(profile, "utf-8")
        (authority / type_ / "fields.csv").write_text(HEADER + fields, "utf-8")
    if authority_too:
        (authority / "authority.toml").write_text('title={zh="某部",en="a ministry"}\naccount_code="mofcom_code"\n', "utf-8")
    (root / "tables").mkdir()
    for name, rows in _TABLES.items():
        (root / "tables" / f"{name}.csv").write_text(rows, "utf-8")
    return root


PROFILE = _MERGE
