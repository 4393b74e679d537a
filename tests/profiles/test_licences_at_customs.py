"""What customs would keep of each type's example: every licence can be cited under the codes that its profile names."""

import tomllib
from datetime import date

import pytest
from lxml import etree

from tongguan.simulators.customs.permits import read_permit
from tongguan.simulators.script.loading import load_scripts
from tongguan.simulators.script.profile_folders import authorities, installed_profiles
from tongguan.simulators.settings import Settings

ROOT = installed_profiles()
SCRIPTS = {type_: script for name in authorities(ROOT) for type_, script in load_scripts(name, ROOT).items()}
FORWARDED = sorted(
    type_ for type_, script in SCRIPTS.items() if any(step.forward == "customs" for flow in script.flows for step in flow.steps)
)


@pytest.mark.requirement("LR-03")
@pytest.mark.parametrize("type_", FORWARDED)
def test_a_licence_handed_to_customs_is_kept_with_its_codes_goods_and_validity(tmp_path, type_):
    script = SCRIPTS[type_]
    folder = ROOT / script.authority / type_
    profile = tomllib.loads((folder / "profile.toml").read_text(encoding="utf-8"))
    named = {code for certificate in profile["certificate"] for code in certificate["codes"]}
    root = etree.Element("Licence", account="A", issued_on="2026-11-21", applied_on="2026-11-20", licence="26AA000001")
    root.append(etree.parse(folder / "examples" / "ok-declare.xml").getroot())

    permit = read_permit(Settings(tmp_path, "test", True, "", {}, (), {}, {}), script, root)

    assert permit.codes and set(permit.codes) <= named
    assert (permit.number, permit.sender, permit.direction in ("import", "export")) == ("26AA000001", script.authority, True)
    assert permit.lines and all(line.unit and (line.code or line.approved is None) for line in permit.lines)
    assert all(len(region) == 2 for region in permit.regions)
    assert date.fromisoformat(permit.valid_from) <= date.fromisoformat(permit.valid_until)


def test_some_types_are_handed_to_customs():
    assert len(FORWARDED) > 1
