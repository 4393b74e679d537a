"""A licence system that nobody knew of is a folder of data: put into a home, it goes from the drop folder to the licence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import bodies as b
import pytest
from sites import Site, wait_until

TYPE = "LR.29"
PROFILE = """\
form = "../common"
title = { zh = "示例新证件申请", en = "A new certificate" }
registry = 29
ministry = "mee"

[[certificate]]
zh = "示例新证件"
en = "A new certificate"
codes = ["u"]

[numbers.application]
pattern = "XZ[0-9]{12}"
given = "XZ{yy}{serial:010d}"

[numbers.licence]
pattern = "[0-9]{4}ZJ[0-9]{6}"

[status.issued]
zh = "已发新证"
en = "issued anew"

[[receipt]]
code = "40"
zh = "已发新证"
en = "issued anew"
status = "issued"
rank = 40
ends = "accepted"
"""


def add_folder(home: Path) -> Path:
    """The 29th system: a profile and an example, nothing else."""
    folder = home / "profiles" / "ministries" / TYPE
    (folder / "examples").mkdir(parents=True)
    (folder / "profile.toml").write_text(PROFILE, "utf-8")
    like = b.xml(b.example("LR.21", "ok-declare.xml")).decode()
    example = re.sub(r"\s*<CasNo>.*</CasNo>", "", like.replace("LR.21", TYPE).replace("lr21", "lr29"))
    (folder / "examples" / "ok-declare.xml").write_text(example, "utf-8")
    return folder


@pytest.mark.requirement("LR-02")
@pytest.mark.requirement("LR-01")
def test_a_29th_system_is_a_folder_and_goes_from_drop_to_licence(own_site: Site) -> None:
    folder = add_folder(own_site.home)
    own_site.simulate("--fast")
    own_site.run()

    name = own_site.drop((folder / "examples" / "ok-declare.xml").read_bytes())
    status = own_site.wait(name)
    assert status["state"] == "accepted", status["faults"]
    document = own_site.wait_business(TYPE, status["document"], "已发新证")
    assert re.fullmatch(f"XZ{b.YY}[0-9]{{10}}", document["numbers"]["application"])
    assert re.fullmatch("[0-9]{4}ZJ[0-9]{6}", document["numbers"]["licence"])

    download = own_site.drop(b.xml(b.message(TYPE, "export", document=document["document"])))
    assert own_site.result(download).read_bytes().startswith(b"%PDF-")
    wait_until(
        lambda: b.rows(own_site, b.query(TYPE, "customs", document=document["document"]))[0]["customs"] == "海关入库成功",
        "customs to have the certificate",
    )


@pytest.mark.requirement("LR-02")
def test_the_commands_know_the_type_of_the_home_and_no_other_home_does(own_site: Site, tmp_path: Path) -> None:
    folder = add_folder(own_site.home)

    shown = json.loads(own_site.command("profiles", TYPE, "--json", check=True).stdout)
    checked = own_site.command("check", str(folder / "examples" / "ok-declare.xml"))
    page = own_site.command("profiles", "--registry", check=True).stdout

    assert (shown["title"]["zh"], shown["certificates"][0]["codes"]) == ("示例新证件申请", ["u"])
    assert checked.returncode == 0, checked.stdout
    assert "| 29 | `LR.29` |" in page
    assert Site(tmp_path).command("profiles", TYPE).returncode == 2


@pytest.mark.requirement("LR-02")
def test_a_type_of_the_home_that_exists_already_stops_the_start_naming_the_file(own_site: Site) -> None:
    folder = own_site.home / "profiles" / "ministries" / "LR.28"
    folder.mkdir(parents=True)
    (folder / "profile.toml").write_text(PROFILE, "utf-8")

    started = own_site.command("run")

    assert started.returncode == 78
    assert "profiles/ministries/LR.28/profile.toml:1: 已有单证类型 LR.28" in started.stderr
