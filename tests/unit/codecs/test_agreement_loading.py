"""What holds only once an authority agrees: profiles that say it wrongly are told of at start, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tongues import in_both_languages

from tongguan.codecs.checking.compile import compile_all
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.fields import COLUMNS
from tongguan.gateway.profile.loading import load_profiles

FILING = """\
title = { zh = "备案", en = "Filing" }
system = "XX"
[numbers.own]
label = { zh = "编号", en = "number" }
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[status.approved]
code = "2"
zh = "通过"
en = "approved"
[status.changing]
code = "3"
zh = "变更中"
en = "changing"
[status.cancelled]
code = "4"
zh = "取消"
en = "cancelled"
[operation.amend]
way = "message"
route = "office"
body = "whole"
allowed = ["approved"]
between = "changing"
opens_round = true
pending = true
brings = { R = "approved" }
[[receipt]]
code = "A"
zh = "通过"
en = "approved"
status = "approved"
rank = 30
pending = "applies"
sets = { ValidUntil = "Validity/Until", AcceptDate = "@issued_date" }
ends = "accepted"
[[receipt]]
code = "R"
zh = "拒绝"
en = "refused"
status = "draft"
rank = 30
pending = "drops"
ends = "rejected"
rows = { table = "Goods[]", key = "No", at = "ToldAt", sets = { Verdict = "Verdict" } }
[[receipt]]
code = "T"
zh = "告知"
en = "told"
rows = { table = "Goods[]", key = "No", at = "ToldAt", sets = { Verdict = "@issued_date" } }
"""
FILING_FIELDS = [
    {"path": "OwnNo", "type": "text", "fill": "number:own"},
    {"path": "Amount", "type": "number", "length": "9"},
    {"path": "ValidUntil", "type": "date", "fill": "receipt"},
    {"path": "AcceptDate", "type": "date", "fill": "receipt"},
    {"path": "Goods[]", "type": "table", "occurs": "0..3"},
    {"path": "Goods[]/No", "type": "text"},
    {"path": "Goods[]/Verdict", "type": "text", "fill": "receipt"},
    {"path": "Goods[]/ToldAt", "type": "datetime", "fill": "receipt"},
    {"path": "Goods[]/Price", "type": "number", "length": "9", "precision": "2"},
]
CHANGE = """\
title = { zh = "修撤单", en = "Change" }
system = "XX"
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[status.done]
code = "2"
zh = "同意"
en = "agreed"
[operation.declare]
way = "message"
route = "office"
body = "whole"
allowed = [""]
[[receipt]]
code = "A"
zh = "同意"
en = "agreed"
status = "done"
rank = 30
changes = true
[needs.filing]
type = "XX.filing"
names = "FilingNo"
status = ["approved"]
at = ["declare"]
says = { zh = "没有备案", en = "there is no filing" }
[changes]
need = "filing"
table = "Change[]"
place = "Place"
label = "Label"
old = "Old"
new = "New"
version = "Version"
never = ["OwnNo"]
cancels = [{ path = "Kind", is = "2" }]
cancelled = "cancelled"
rank = 95
"""
CHANGE_FIELDS = [
    {"path": "Kind", "type": "text", "length": "1"},
    {"path": "FilingNo", "type": "text", "length": "18"},
    {"path": "Version", "type": "number", "length": "9", "fill": "changes"},
    {"path": "Change[]", "type": "table", "occurs": "0..n"},
    {"path": "Change[]/Place", "type": "text"},
    {"path": "Change[]/Label", "type": "text", "fill": "changes"},
    {"path": "Change[]/Old", "type": "text", "fill": "changes"},
    {"path": "Change[]/New", "type": "text"},
]


def _csv(rows: list[dict[str, str]]) -> str:
    lines = [",".join(COLUMNS)]
    for row in rows:
        usual = {"label": row["path"], "label_en": row["path"], "occurs": "0..1"}
        lines.append(",".join({**dict.fromkeys(COLUMNS, ""), **usual, **row}[column] for column in COLUMNS))
    return "\n".join(lines) + "\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tables").mkdir()
    for type_, profile, fields in (("XX.filing", FILING, FILING_FIELDS), ("XX.change", CHANGE, CHANGE_FIELDS)):
        folder = tmp_path / "office" / type_
        folder.mkdir(parents=True)
        (folder / "profile.toml").write_text(profile, "utf-8")
        (folder / "fields.csv").write_text(_csv(fields), "utf-8")
    (tmp_path / "office" / "authority.toml").write_text(
        'title = { zh = "机关", en = "Office" }\naccount_code = "uscc"\n', "utf-8"
    )
    return tmp_path


def test_what_awaits_agreement_is_read(root: Path) -> None:
    profiles = load_profiles(root)

    filing, change = profiles["XX.filing"], profiles["XX.change"]
    assert (filing.operations["amend"].pending, filing.operations["amend"].brings) == (True, {"R": "approved"})
    assert [rule.pending for rule in filing.receipts.values()] == ["applies", "drops", ""]
    assert filing.receipts["A"].sets == {"ValidUntil": "Validity/Until", "AcceptDate": "@issued_date"}
    rows = filing.receipts["R"].rows
    assert rows is not None and (rows.element, rows.key, rows.at, rows.sets) == ("Goods", "No", "ToldAt", {"Verdict": "Verdict"})
    assert change.changes is not None and change.receipts["A"].changes
    assert (change.changes.never, change.changes.cancelled, change.changes.rank) == ({"OwnNo"}, "cancelled", 95)


FILING_TOML, CHANGE_TOML = "XX.filing/profile.toml", "XX.change/profile.toml"


def _line(text: str, of: str) -> int:
    return text[: text.index(of)].count("\n") + 1


@pytest.mark.parametrize(
    ("name", "old", "new", "at", "told"),
    [
        (FILING_TOML, "{ R =", "{ Q =", "brings", "unknown receipt 'Q'"),
        (FILING_TOML, '{ R = "approved"', '{ R = "aproved"', "brings", "unknown status 'aproved'; did you mean 'approved'?"),
        (FILING_TOML, "opens_round = true\n", "", "pending = true", "an operation with pending goes by message, has a status"),
        (FILING_TOML, 'between = "changing"\n', "", "brings", "an operation with brings goes by message, has a status"),
        (FILING_TOML, '["approved"]', '["", "approved"]', "allowed", "there must be a document that is changed"),
        (FILING_TOML, 'pending = "applies"\n', "", "pending = true", "no receipt agrees to it"),
        (FILING_TOML, "pending = true\n", "", 'pending = "applies"', "no operation has pending = true"),
        (FILING_TOML, '"drops"', '"drop"', 'pending = "drop"', "unknown pending 'drop'; did you mean 'drops'?"),
        (FILING_TOML, 'rank = 30\npending = "drops"', 'rank = 31\npending = "drops"', "rank = 31", "receipt 'R' refuses a change, so"),
        (FILING_TOML, "ValidUntil =", "ValidTill =", "sets", "unknown field 'ValidTill'; did you mean 'ValidUntil'?"),
        (FILING_TOML, "ValidUntil =", "Amount =", "sets", "Amount must be a field of no table with the fill receipt"),
        (FILING_TOML, "@issued_date", "@issued", "sets", "'@issued' is neither a path of elements nor @issued_date"),
        (
            FILING_TOML,
            'status = "approved"\nrank = 30\n',
            "",
            'code = "A"',
            "receipt 'A' has pending, sets or changes, so it needs a rank of 1 or more",
        ),
        (CHANGE_TOML, 'need = "filing"', 'need = "filling"', "need =", "unknown need 'filling'; did you mean 'filing'?"),
        (CHANGE_TOML, 'names = "FilingNo"\n', "", 'need = "filing"', "needs.filing has no names: the document that is changed is named"),
        (CHANGE_TOML, '"Change[]"', '"Changes[]"', "table", "unknown table 'Changes[]'; did you mean 'Change[]'?"),
        (CHANGE_TOML, '"Place"', '"Plaice"', "place", "unknown field 'Change[]/Plaice'; did you mean 'Change[]/Place'?"),
        (CHANGE_TOML, 'version = "Version"', 'version = "Verzion"', "version", "unknown version 'Verzion'; did you mean 'Version'?"),
        (CHANGE_TOML, 'new = "New"', 'new = "Label"', "new =", "Change[]/Label has the fill 'changes': label, old and version"),
        (CHANGE_TOML, 'old = "Old"', 'old = "Place"', "old =", "Change[]/Place has the fill '': label, old and version"),
        (CHANGE_TOML, 'cancelled = "cancelled"\n', "", "cancels", "cancels goes with cancelled"),
        (CHANGE_TOML, "rank = 95", "rank = 0", "rank = 0", "it brings a status, so it needs a rank of 1 or more"),
        (CHANGE_TOML, "changes = true\n", "", "[changes]", "no receipt carries it out (changes = true)"),
        (CHANGE_TOML, '["OwnNo"]', '["OwnNu"]', "title", "unknown field of XX.filing 'OwnNu'; did you mean 'OwnNo'?"),
        (CHANGE_TOML, 'cancelled = "cancelled"', 'cancelled = "gone"', "title", "unknown status of XX.filing 'gone'"),
        (FILING_TOML, 'rows = { table = "Goods[]"', 'rows = { table = "Good[]"', "rows", "unknown table 'Good[]'; did you mean 'Goods[]'?"),
        (FILING_TOML, 'key = "No"', 'key = "Nu"', "rows", "unknown field 'Goods[]/Nu'; did you mean 'Goods[]/No'?"),
        (FILING_TOML, 'key = "No"', 'key = "Verdict"', "rows", "the fill of Goods[]/Verdict must not be receipt: it names the row"),
        (FILING_TOML, "{ Verdict =", "{ Price =", "rows", "the fill of Goods[]/Price must be receipt"),
        (FILING_TOML, "{ Verdict =", "{ Verdikt =", "rows", "unknown field 'Goods[]/Verdikt'; did you mean 'Goods[]/Verdict'?"),
        (FILING_TOML, 'at = "ToldAt"', 'at = "Verdict"', "rows", "Goods[]/Verdict must be a datetime: when the row was told"),
        (FILING_TOML, '"Verdict" }', '"Verdict/" }', "rows", "'Verdict/' is neither a path of elements nor @issued_date"),
        (FILING_TOML, ', sets = { Verdict = "Verdict" }', "", "rows", "sets is missing"),
        (FILING_TOML, 'at = "ToldAt", sets', 'att = "ToldAt", sets', "rows", "unknown key 'att'; did you mean 'at'?"),
        (FILING_TOML, 'sets = {', 'changes = true\nsets = {', "changes", "there is no table [changes]"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_and_line(root: Path, name: str, old: str, new: str, at: str, told: str) -> None:
    path = root / "office" / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text := text.replace(old, new, 1), "utf-8")

    with pytest.raises(SettingsWrong) as caught:
        compile_all(load_profiles(root))

    lines = caught.value.en.splitlines()
    assert any(line.startswith(f"{path}:{_line(text, at)}: {told}") for line in lines), lines
    assert all(in_both_languages(f"{zh}\n{en}") for zh, en in zip(caught.value.zh.splitlines(), lines, strict=True))
