"""The clients of docs/erp-client.md, run as they stand there against a gateway: drop, wait, read every answer, reconcile, survive a restart."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from sites import Site, wait_until

PAGE = Path(__file__).parents[2] / "docs" / "erp-client.md"
LANGUAGES = {"python": ("client.py", [sys.executable]), "javascript": ("client.mjs", ["node"])}


def program(language: str, folder: Path) -> list[str]:
    """The page's program in a language, as a command."""
    name, command = LANGUAGES[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not there")
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (folder / name).write_text(code, "utf-8")
    return [*command, str(folder / name)]


def lines(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


@pytest.mark.requirement("GW-01")
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_sent_is_followed_to_its_end_over_restarts_of_client_and_gateway(
    own_site: Site, tmp_path: Path, language: str
) -> None:
    client = [*program(language, tmp_path), str(own_site.mailbox), str(tmp_path / "own")]
    right, wrong = tmp_path / "right.xml", tmp_path / "wrong.xml"
    right.write_bytes(b.xml(b.application("declare", reference="PO-1", document="PO/2026/0817")))
    wrong.write_bytes(b.xml(b.application("declare", reference="PO-2", Year="26")))

    subprocess.run([*client, "send", right, wrong], check=True, timeout=60)
    (own_site.mailbox / "OutBox" / right.name).unlink()  # as if it had ended between its memory and the box
    own_site.simulate("--fast")
    own_site.run()
    own_site.wait(wrong.name, "refused")
    with subprocess.Popen([*client, "wait"], stdout=subprocess.PIPE, text=True) as waiting:
        wait_until(lambda: own_site.status(right.name), "what was lost to be dropped again")
        waiting.kill()
    own_site.stop("run", kill=True)
    own_site.run()
    ended = subprocess.run([*client, "wait"], check=False, timeout=120, capture_output=True, text=True)

    assert (ended.returncode, ended.stderr) == (1, "")
    told = {line["name"]: line["ended"] for line in lines(ended.stdout) if "ended" in line}
    assert {name: one["state"] for name, one in told.items()} == {"right.xml": "accepted", "wrong.xml": "refused"}
    assert told["wrong.xml"]["faults"][0]["path"].endswith("/Year")
    assert (own_site.mailbox / "Status" / told["right.xml"]["document_file"]).is_file()

    def has_come_to_its_end() -> bool:
        status = own_site.status("right.xml")
        return status is not None and status["business_status"]["text"] == "已打印或生成电子许可证"

    wait_until(has_come_to_its_end, "its last receipt")
    read = list[str]()

    def has_read_all() -> bool:
        """Answers may come between two looks."""
        said = subprocess.run([*client, "wait"], check=False, timeout=60, capture_output=True, text=True).stdout
        read.extend(line["file"] for line in lines(said) if "kind" in line)
        known = json.loads((tmp_path / "own" / "memory.json").read_text("utf-8"))
        status = own_site.status("right.xml")
        assert status is not None and {answer["kind"] for answer in status["answers"]} >= {"technical", "receipt"}
        return sorted(known["right.xml"]["answers"]) == sorted(answer["file"] for answer in status["answers"])

    wait_until(has_read_all, "every answer to be read")
    assert has_read_all() and len(read) == len(set(read)), "each answer is read once"

    wrong.write_bytes(b.xml(b.application("declare", reference="PO-2")))
    own_site.stop("run")
    subprocess.run([*client, "send", wrong], check=True, timeout=60)
    (own_site.mailbox / "OutBox" / wrong.name).unlink()  # as if it had ended between its memory and the box
    with subprocess.Popen([*client, "wait"], stdout=subprocess.PIPE, text=True) as waiting:
        wait_until((own_site.mailbox / "OutBox" / wrong.name).exists, "the mended file to be dropped")
        own_site.run()
        said, _ = waiting.communicate(timeout=120)
    ends = {line["name"]: line["ended"]["state"] for line in lines(said) if "ended" in line}
    assert (waiting.returncode, ends) == (0, {"right.xml": "accepted", "wrong.xml": "accepted"})
