"""schema.xsd and schema.json of each folder are what its fields say, and take its good examples."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import jsonschema_rs
import pytest
from lxml import etree

from tongguan.codecs.writing.schema import write_schemas
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Profile
from tongguan.gateway.profile.sections.own_form import own_forms

PROFILES = load_profiles(Path(str(files("tongguan"))) / "gateway" / "profiles")
each_type = pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.type)


def _examples(suffix: str) -> list[tuple[Profile, Path]]:
    found = []
    for profile in PROFILES.values():
        examples = profile.folder / "examples"
        found += [(profile, path) for path in sorted(examples.glob(f"ok-*{suffix}"))]
        found += [(profile, path) for path in sorted(examples.glob(f"ok-*/message{suffix}"))]
    return found


def _name(value: object) -> str:
    if not isinstance(value, Path):
        return str(getattr(value, "type", value))
    return f"{value.parent.name}/{value.name}" if value.stem == "message" else value.name


@each_type
def test_the_schemas_in_a_folder_are_those_of_its_fields(profile: Profile) -> None:
    written = {name: (profile.folder / name).read_bytes() for name in ("schema.xsd", "schema.json")}

    assert written == write_schemas(profile)


def _in_our_own_form(path: Path) -> bool:
    return etree.parse(path).getroot().tag not in own_forms(PROFILES)


@pytest.mark.parametrize(("profile", "path"), [one for one in _examples(".xml") if _in_our_own_form(one[1])], ids=_name)
def test_a_good_xml_example_validates_against_the_schema(profile: Profile, path: Path) -> None:
    schema = etree.XMLSchema(etree.fromstring(write_schemas(profile)["schema.xsd"]))

    schema.validate(etree.parse(path))

    assert [str(error) for error in schema.error_log] == []


@pytest.mark.parametrize(("profile", "path"), _examples(".json"), ids=_name)
def test_a_good_json_example_validates_against_the_schema(profile: Profile, path: Path) -> None:
    schema = jsonschema_rs.validator_for(json.loads(write_schemas(profile)["schema.json"]))

    errors = [error.message for error in schema.iter_errors(json.loads(path.read_text(encoding="utf-8")))]

    assert errors == []


@each_type
def test_the_schemas_refuse_an_element_that_the_type_does_not_have(profile: Profile) -> None:
    written = write_schemas(profile)
    xsd = etree.XMLSchema(etree.fromstring(written["schema.xsd"]))
    validator = jsonschema_rs.validator_for(json.loads(written["schema.json"]))
    operation = next(iter(profile.operations))
    stranger = f'<{profile.type} xmlns="{profile.namespace}" operation="{operation}"><Stranger/></{profile.type}>'

    assert not xsd.validate(etree.fromstring(stranger))
    assert not validator.is_valid({"type": profile.type, "operation": operation, "body": {"Stranger": "1"}})


@each_type
def test_the_schemas_know_every_field(profile: Profile) -> None:
    written = write_schemas(profile)
    names = {f.name for f in profile.fields}

    assert names <= {e.get("name") for e in etree.fromstring(written["schema.xsd"]).iter("{*}element")}
    assert all(f'"{name}"'.encode() in written["schema.json"] for name in names)
