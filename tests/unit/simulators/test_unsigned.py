"""Messages without a signature: taken only of documents for which the script says so."""

from __future__ import annotations

from pathlib import Path

import pytest

SCRIPT = """
number_at = ["No"]
keys_at = ["No"]
[[code]]
code = "30"
text = "已受理"
[[flow]]
operation = "declare"
steps = [{ code = "30" }]
unsigned = "mode=paper"
[[flow]]
operation = "withdraw"
steps = [{ code = "30" }]
[choice.mode]
default = "paperless"
case = [{ at = "Mode", begins = ["paper-"], gives = "paper" }]
"""
PAPER, PAPERLESS = "<No>1</No><Mode>paper-1</Mode>", "<No>2</No><Mode>key</Mode>"


@pytest.fixture
def mofcom(own_home, tmp_path_factory):
    root: Path = tmp_path_factory.mktemp("types")
    (root / "mofcom" / "XX.mode").mkdir(parents=True)
    (root / "mofcom" / "XX.mode" / "replies.toml").write_text(SCRIPT, "utf-8")
    (root / "customs").mkdir()
    _, begin, _ = own_home
    return begin("--profiles", str(root)).client("mofcom")


def codes(receipt):
    return [fault.get("code") for fault in receipt.iter("{*}Fault")]


def test_what_the_script_takes_unsigned_goes_on_like_any_other(mofcom):
    status, receipt = mofcom.send("XX.mode", "declare", PAPER, reference="r1", sign=False)
    assert (status, receipt.get("code")) == (202, "0")
    assert mofcom.until("30")[-1].get("text") == "已受理"

    status, _ = mofcom.send("XX.mode", "declare", PAPER.replace("1", "3"), reference="r2", sign=True)
    assert status == 202


@pytest.mark.parametrize(("operation", "body"), [("declare", PAPERLESS), ("withdraw", PAPER), ("declare", "")])
def test_every_other_needs_its_signature(mofcom, operation, body):
    status, receipt = mofcom.send("XX.mode", operation, body, reference="r", sign=False)

    assert (status, receipt.get("code"), codes(receipt)) == (400, "1", ["SIG-02"])


def test_a_wrong_signature_is_wrong_even_where_none_is_asked_for(mofcom):
    message, body = mofcom.package("XX.mode", "declare", PAPER, reference="r", sign=True)
    reply = mofcom.post(message, body.replace(b"paper-1", b"paper-2"))

    assert (reply.status, codes(mofcom.read(reply.body))) == (400, ["SIG-01"])


def test_a_script_that_names_no_such_choice_stops_the_start(own_home, tmp_path_factory):
    root = tmp_path_factory.mktemp("types")
    (root / "mofcom" / "XX.mode").mkdir(parents=True)
    (root / "mofcom" / "XX.mode" / "replies.toml").write_text(SCRIPT.replace("mode=paper", "mood=paper"), "utf-8")
    (root / "customs").mkdir()
    _, begin, _ = own_home

    with pytest.raises(AssertionError, match="choice 'mood' is used but not described"):
        begin("--profiles", str(root))
