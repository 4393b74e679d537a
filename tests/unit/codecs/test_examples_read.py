"""Every example of every document type can be read, and goes out as canonical XML that says the same."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from lxml import etree

from tongguan.codecs.checking.compile import compile_all
from tongguan.codecs.checking.fault_list import FaultList
from tongguan.codecs.checking.validation import walk_json, walk_xml
from tongguan.codecs.reading.read import Read, read
from tongguan.codecs.writing.render import render_document
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.sections.own_form import own_forms

COMPILED = compile_all(load_profiles())
OWN_FORMS = own_forms({name: compiled.profile for name, compiled in COMPILED.items()})
EXAMPLES = sorted(
    example
    for one in COMPILED.values()
    for example in (one.profile.folder / "examples").iterdir()
    if example.is_dir() or (example.suffix in (".xml", ".json") and not example.name.startswith("document-"))  # no messages
)


def content_of(example: Path) -> Read:
    if not example.is_dir():
        return read(example.name, example.read_bytes(), most_bytes=10_000_000, own_forms=OWN_FORMS)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for file in example.iterdir():
            archive.write(file, file.name)
    return read("example.zip", target.getvalue(), most_bytes=10_000_000, own_forms=OWN_FORMS)


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.parent.parent.name}/{e.name}")
def test_an_example_is_read_and_rendered(example):
    content = content_of(example)
    item = content.items[0]
    compiled = COMPILED[item.type]
    walk = walk_xml if content.form == "xml" else walk_json
    document = walk(compiled.root, item.body, (), FaultList())
    message = Message("id", Kind.SUBMISSION, "demo", item.type, item.operation, State.CHECKED, 0, 0, reference=item.reference)
    rendered = render_document(compiled, message, document, [])
    root = etree.fromstring(rendered)

    assert etree.tostring(root, method="c14n", exclusive=True) == rendered
    assert walk_xml(compiled.root, root, (), FaultList()) == document
