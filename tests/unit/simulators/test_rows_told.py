"""What a simulated authority tells of rows: all of them in one receipt, or one after another."""

from types import SimpleNamespace

from tongguan.simulators.books.effects import content_of
from tongguan.simulators.books.store import Document
from tongguan.simulators.script.loading import load_scripts
from tongguan.simulators.script.player import planned

SCRIPT = """
number_at = ["No"]
keys_at = ["No"]
[[code]]
code = "P1"
text = "state"
rows = "Entry"
row = ["EntryId=EntryId", "State='1'", "Note=Note"]
[[code]]
code = "P9"
text = "done"
[[flow]]
operation = "declare"
steps = [{ code = "P1", each = true }, { code = "P9" }]
"""
BODY = b"<R><Entry><EntryId>1</EntryId></Entry><Entry><EntryId>2</EntryId><Note>n</Note></Entry></R>"
#: an authority that makes nothing
OFFICE = SimpleNamespace(scripts={"XX.one": SimpleNamespace(makes=None)}, store=SimpleNamespace(made=lambda document, row: None))
DOCUMENT = Document(1, "a", "XX.one", "", "", 1, BODY, {})


def script_of(tmp_path, text):
    folder = tmp_path / "mofcom" / "XX.one"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "replies.toml").write_text(text)
    return load_scripts("mofcom", tmp_path)["XX.one"]


def said(content):
    return [[(leaf.tag.rpartition("}")[2], leaf.text) for leaf in row] for row in content]


def test_a_step_for_each_row_is_taken_once_a_row(tmp_path):
    script = script_of(tmp_path, SCRIPT)

    steps = planned(script, script.flow("declare"), DOCUMENT, {})

    assert [(step.code, step.row) for step in steps] == [("P1", 1), ("P1", 2), ("P9", 0)]
    assert said(content_of(OFFICE, DOCUMENT, script.codes["P1"], 2)) == [[("EntryId", "2"), ("State", "1"), ("Note", "n")]]


def test_without_a_row_all_of_them_are_told(tmp_path):
    told = content_of(OFFICE, DOCUMENT, script_of(tmp_path, SCRIPT).codes["P1"])

    assert [row[0] for row in said(told)] == [("EntryId", "1"), ("EntryId", "2")]
