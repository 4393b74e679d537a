"""What a profile says of documents of other types: what is wrong is told at start, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tongguan.codecs.checking.compile import compile_all
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.fields import COLUMNS
from tongguan.gateway.profile.loading import load_profiles

VOLUME = """\
title = { zh = "分册", en = "volume" }
system = "XX"
own_number = "own"
[numbers.own]
label = { zh = "编号", en = "number" }
pattern = "X[0-9]{4}"
field = "VolumeNo"
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[status.declared]
code = "2"
zh = "已申报"
en = "declared"
[status.approved]
code = "3"
zh = "通过"
en = "approved"
[operation.save]
way = "desk"
body = "whole"
allowed = ["", "draft"]
to = "draft"
reserve = ["Port+Nature"]
"""
LIST = """\
title = { zh = "清单", en = "list" }
system = "XX"

[needs.volume]
type = "XX.volume"
names = "ManualNo"
same = ["Nature"]
status = ["approved"]
wait = ["declared"]
until = "Until"
at = ["declare"]
says = { zh = "{name} 为 {status}", en = "{name} is {status}" }

[needs.place]
type = "XX.volume"
reserved = "Port+Nature"
status = ["approved"]
at = ["declare"]
says = { zh = "没有 {name}", en = "there is no {name}" }

[filed.goods]
types = ["XX.volume"]
names = "ManualNo"
table = "DecList[]"
key = { ContrItem = "GNo" }
unless = "Stopped"

[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[status.waiting]
code = "2"
zh = "等待"
en = "waiting"

[operation.declare]
way = "desk"
desk = "save"
body = "optional"
allowed = ["", "draft"]
to = "draft"
waiting = "waiting"
reserve = ["Port+Nature", "@volume"]
"""
VOLUME_FIELDS = [
    {"path": "VolumeNo", "fill": "number:own"},
    {"path": "Port"},
    {"path": "Nature"},
    {"path": "Until", "type": "date"},
    {"path": "DecList[]", "type": "table", "occurs": "0..3"},
    {"path": "DecList[]/GNo"},
    {"path": "DecList[]/CodeTS"},
    {"path": "DecList[]/Stopped", "type": "flag"},
]
LIST_FIELDS = [
    {"path": "ManualNo"},
    {"path": "Port"},
    {"path": "Nature"},
    {"path": "DecList[]", "type": "table", "occurs": "0..3"},
    {"path": "DecList[]/ContrItem"},
    {"path": "DecList[]/CodeTS", "fill": "filed:goods.CodeTS"},
]


def _csv(rows: list[dict[str, str]]) -> str:
    usual = {"type": "text", "length": "10", "occurs": "0..1"}
    lines = [{**dict.fromkeys(COLUMNS, ""), "label": row["path"], "label_en": row["path"], **usual, **row} for row in rows]
    return "\n".join([",".join(COLUMNS), *(",".join(line[column] for column in COLUMNS) for line in lines)]) + "\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, profile, fields in (("XX.volume", VOLUME, VOLUME_FIELDS), ("XX.list", LIST, LIST_FIELDS)):
        folder = tmp_path / "office" / name
        folder.mkdir(parents=True)
        (folder / "profile.toml").write_text(profile, encoding="utf-8")
        (folder / "fields.csv").write_text(_csv(fields), encoding="utf-8")
    title = 'title = { zh = "机关", en = "Office" }\naccount_code = "uscc"\n'
    (tmp_path / "office" / "authority.toml").write_text(title, encoding="utf-8")
    return tmp_path


def test_needs_and_sources_load_as_they_are_written(root: Path) -> None:
    profile = load_profiles(root)["XX.list"]

    need, place, source = profile.needs["volume"], profile.needs["place"], profile.filed["goods"]
    assert (need.names, need.same, need.wait, need.until) == ("ManualNo", ("Nature",), frozenset({"declared"}), "Until")
    assert (place.reserved, place.certain) == ("Port+Nature", True)
    assert (source.types, source.table, source.key, source.unless) == (
        ("XX.volume",),
        "DecList[]",
        {"ContrItem": "GNo"},
        "Stopped",
    )
    assert profile.operations["declare"].waiting == "waiting"


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("profile.toml", 'names = "ManualNo"', 'names = "ManuelNo"', "6: unknown names 'ManuelNo'; did you mean 'ManualNo'?"),
        ("profile.toml", '["Nature"]', '["Natur"]', "7: unknown field 'Natur'; did you mean 'Nature'?"),
        ("profile.toml", '["approved"]', '["aproved"]', "4: unknown status of XX.volume 'aproved'; did you mean 'approved'?"),
        ("profile.toml", '["declared"]', '["declred"]', "4: unknown status of XX.volume 'declred'; did you mean 'declared'?"),
        ("profile.toml", '["declared"]', '["approved"]', "9: status 'approved' is both good and waited in"),
        ("profile.toml", '"Until"', '"Untill"', "4: unknown field of XX.volume 'Untill'; did you mean 'Until'?"),
        ("profile.toml", '"Until"', '"Port"', "4: Port of XX.volume is no date"),
        ("profile.toml", '"XX.volume"', '"XX.volum"', "4: unknown document type of needs.volume 'XX.volum'"),
        ("profile.toml", '"Port+Nature"', '"Prt+Nature"', "16: unknown field 'Prt'; did you mean 'Port'?"),
        ("profile.toml", '"Port+Nature"', '"Nature+Port"', "14: XX.volume never reserves 'Nature+Port'"),
        ("profile.toml", 'names = "ManualNo"\nsame', "same", "6: same goes with names or reserved only"),
        (
            "profile.toml",
            'same = ["Nature"]',
            'each = "DecList[]/ContrItm"',
            "7: unknown field 'DecList[]/ContrItm'; did you mean",
        ),
        ("profile.toml", 'names = "ManualNo"\nsame = ["Nature"]', 'each = "DecList[]/ContrItem"', "6: each goes with names only"),
        ("profile.toml", 'reserved = "Port', 'names = "Port"\nreserved = "Port', "17: it has names or reserved, not both"),
        ("profile.toml", 'waiting = "waiting"', 'waiting = "waitng"', "43: unknown waiting 'waitng'; did you mean 'waiting'?"),
        (
            "profile.toml",
            'waiting = "waiting"\n',
            "",
            "37: operation declare may wait for another document, but has no status for it",
        ),
        ("profile.toml", '"@volume"', '"@volum"', "44: unknown need 'volum'; did you mean 'volume'?"),
        ("profile.toml", '["Port+Nature", "@', '["Port+Natur", "@', "44: unknown field 'Natur'; did you mean 'Nature'?"),
        ("profile.toml", "{name} is", "{nam} is", ": needs.volume.says: nothing fills {nam}; did you mean 'name'?"),
        ("profile.toml", 'types = ["XX.volume"]', 'types = ["XX.volum"]', "21: unknown document type of filed.goods 'XX.volum'"),
        ("profile.toml", '"DecList[]"', '"DecLst[]"', "21: unknown field of XX.volume 'DecLst[]'; did you mean 'DecList[]'?"),
        ("profile.toml", '"GNo"', '"GNr"', "21: unknown field of XX.volume 'DecList[]/GNr'; did you mean 'DecList[]/GNo'?"),
        ("profile.toml", '"Stopped"', '"Stoped"', "21: unknown field of XX.volume 'DecList[]/Stoped'"),
        ("profile.toml", 'key = { ContrItem = "GNo" }\n', "", "21: a key goes with a table, and a table with a key"),
        ("profile.toml", "{ ContrItem", "{ ContrItm", "fields.csv:7: fill 'filed:goods.CodeTS': unknown field"),
        ("fields.csv", "filed:goods.", "filed:good.", "fields.csv:7: fill 'filed:good.CodeTS': unknown source 'good'"),
        ("fields.csv", "goods.CodeTS", "goods.CodeTT", "fields.csv:7: unknown field of XX.volume 'DecList[]/CodeTT'"),
    ],
)
def test_a_mistake_is_told_with_its_place(root: Path, name: str, old: str, new: str, told: str) -> None:
    file = root / "office" / "XX.list" / name
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(SettingsWrong) as caught:
        compile_all(load_profiles(root))

    lines = str(caught.value).splitlines()
    assert any(told in line.replace("profile.toml:", "") or told in line for line in lines), lines
