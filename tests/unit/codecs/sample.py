"""A made-up document type with everything that a field table can say, and messages of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tongguan.codecs.checking.check import Checked, check
from tongguan.codecs.checking.compile import Compiled, compile_profile
from tongguan.codecs.reading.read import read
from tongguan.gateway.model.document import Document
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import Account

NS = "urn:tongguan:XX.sample:1"
NOON = 1_795_147_200_000
ACCOUNT = Account(
    name="demo", title="示例公司", uscc="91210200MA0EXAMPLC", customs_code="2102960001", mofcom_code="2100MA0EXAMPL"
)
PROFILE = """
title = { zh = "样表", en = "sample" }
system = "XX"
own_number = "own"
[numbers.own]
label = { zh = "编号", en = "no." }
pattern = "XX[0-9]{4}"
field = "Number"
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[status.done]
code = "2"
zh = "完成"
en = "done"
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft"]
to = "draft"
[operation.declare]
way = "desk"
desk = "save"
body = "optional"
allowed = ["", "draft"]
to = "done"
[operation.amend]
way = "desk"
desk = "save"
body = "whole"
allowed = ["done"]
to = "done"
[operation.copy]
way = "desk"
allowed = ["done"]
options = { elements = ["Copies"] }
[operation.delete]
way = "desk"
allowed = ["draft"]
[operation.extend]
way = "desk"
desk = "save"
allowed = ["done"]
"""
HEADER = (
    "path,name,label,label_en,type,length,precision,least,most,pattern,occurs,code_table,unit,required_at,changeable_by,"
    "fill,find,line,key,sum,sign_order,source"
)
FIELDS = """
Number,Number,编号,no.,text,6,,,,,0..1,,,,,number:own,,,,,,
Status,Status,状态,status,text,2,,,,,0..1,,,,,status,,,,,,
MadeOn,MadeOn,填制日期,made on,date,,,,,,0..1,,,,,now:date,,,,,,
Title,Title,标题,title,text,5,,2,,,0..1,,,declare,,,,,,,,
Code,Code,代码,code,text,4,,,,[A-Z]{4},0..1,,,,save declare,,,,,,,
Rate,Rate,比率,rate,number,5,2,0.5,100,,0..1,,,,,,,,,,,
Day,Day,日期,day,date,,,,,,0..1,,,,,,,,,,,
Moment,Moment,时间,moment,datetime,,,,,,0..1,,,,,,,,,,,
Mark,Mark,标志,mark,flag,,,,,,0..1,,,,,,,,,,,
Answer,Answer,答复,answer,text,9,,,,,0..1,,,,,query:Answer,,,,,,
Total,Total,合计,total,number,17,0,,,,0..1,,,,,sum:Line[]/Amount,,,,,,
Party,Party,进口商,importer,group,,,,,,0..1,,,,,,,,,,,
Party/Code,Code,统一社会信用代码,credit code,text,18,,,,,0..1,,,declare,,default:uscc,,,,,,
Party/Name,Name,名称,name,text,20,,,,,0..1,,,declare,,default:title,,,,,,
Owner,Owner,单位,owner,group,,,,,,0..1,,,,,,,,,,,
Owner/Code,Code,代码,code,text,18,,,,,0..1,,,,,account:uscc,,,,,,
Owner/Part,Part,组织机构代码,organisation code,text,9,,,,,0..1,,,,,account:organization_code,,,,,,
Line[],Line,明细,lines,table,,,,,,0..3,,,declare,,,,,,,,
Line[]/Index,Index,序号,no.,number,2,0,,,,0..1,,,,,index,,,,,,
Line[]/Money,Money,币制,currency,code,3,,,,,0..1,currency,,declare,,,,,,,,
Line[]/MoneyName,MoneyName,币制名称,currency name,text,20,,,,,0..1,,,,,name:Money,,,,,,
Line[]/Price,Price,单价,price,number,15,4,0,,,0..1,,,declare,,,,,,,,
Line[]/Count,Count,数量,count,number,15,4,,,,0..1,,,declare,,,,,,,,
Line[]/Amount,Amount,总价,amount,number,17,0,,,,0..1,,,,,product:Price*Count,,,,,,
Line[]/Dollars,Dollars,折美元,in USD,number,17,0,,,,0..1,,,,,usd:Amount,,,,,,
Line[]/Part[],Part,部件,parts,table,,,,,,0..n,,,,,,,,,,,
Line[]/Part[]/Name,Name,名称,name,text,9,,,,,0..1,,,declare,,,,,,,,
"""
RULES = """
[[rule]]
id = "XX-R01"
at = ["declare"]
path = "Title"
check = "differs"
with = { others = ["Code"] }
says = { zh = "标题不能与代码相同", en = "title must differ from code" }
[[rule]]
id = "XX-R02"
at = ["declare"]
path = "Line[]/Price"
check = "required"
when = [{ path = "Line[]/Count", present = true }, { path = "Mark", is = "1" }]
says = { zh = "单价必填", en = "price required" }
[[rule]]
id = "XX-R03"
at = ["declare"]
path = "Line[]/Part[]/Name"
check = "unique"
says = { zh = "部件重复", en = "part twice" }
[[rule]]
id = "XX-R04"
at = ["save"]
path = "Mark"
check = "required"
severity = "warning"
when = [{ path = "Line[]/Money", begins = ["E"] }]
says = { zh = "请填标志", en = "give the mark" }
[[rule]]
id = "XX-R05"
at = ["extend"]
path = "Day"
check = "within_days_before"
with = { days = 10 }
says = { zh = "只能在到期前 10 天内延期", en = "can be extended within the 10 days before it ends only" }
[[rule]]
id = "XX-R06"
at = ["extend"]
path = "Line[]/Price"
check = "required"
severity = "warning"
says = { zh = "请填单价", en = "give the price" }
"""


def write(root: Path, *, profile: str = PROFILE, fields: str = FIELDS, rules: str = RULES) -> Path:
    """A folder of profiles that holds the sample type."""
    folder = root / "somebody" / "XX.sample"
    folder.mkdir(parents=True)
    (root / "tables").mkdir()
    (root / "tables" / "currency.csv").write_text(
        "code,zh,en\nUSD,美元,US Dollar\nEUR,欧元,Euro\nJPY,日元,Yen\n", encoding="utf-8"
    )
    (root / "tables" / "usd_rate.csv").write_text(
        "code,zh,en,rate\nUSD,美元,US Dollar,1\nEUR,欧元,Euro,1.165\n", encoding="utf-8"
    )
    (root / "somebody" / "authority.toml").write_text('title={zh="某",en="some"}\naccount_code="uscc"\n', encoding="utf-8")
    (folder / "profile.toml").write_text(profile, encoding="utf-8")
    (folder / "fields.csv").write_text(f"{HEADER}{fields}", encoding="utf-8")
    (folder / "rules.toml").write_text(rules, encoding="utf-8")
    return root


def compiled(root: Path, **parts: str) -> Compiled:
    profiles = load_profiles(write(root, **parts))
    return compile_profile(profiles["XX.sample"], profiles.tables)


def document(content: dict[str, Any], *, status: str = "draft", numbers: dict[str, str] | None = None) -> Document:
    return Document("d", "demo", "XX.sample", "key", "v", 1, status, NOON, NOON, content, numbers or {})


def check_xml(type_: Compiled, body: str, operation: str = "save", **more: Any) -> Checked:
    raw = f'<XX.sample xmlns="{NS}" operation="{operation}" reference="r">{body}</XX.sample>'
    return _check(type_, "m.xml", raw, operation, more)


def check_json(type_: Compiled, body: Any, operation: str = "save", **more: Any) -> Checked:
    raw = json.dumps({"type": "XX.sample", "operation": operation, "reference": "r", "body": body})
    return _check(type_, "m.json", raw, operation, more)


def _check(type_: Compiled, name: str, raw: str, operation: str, more: dict[str, Any]) -> Checked:
    given: dict[str, Any] = {"account": ACCOUNT, "document": None, "numbers": {}, "now_ms": NOON, **more}
    item = read(name, raw.encode(), most_bytes=10**7).items[0]
    return check(type_, item, operation=operation, **given)


def found(checked: Checked) -> list[tuple[str, str]]:
    return [(f.code, f.path) for f in checked.faults]
