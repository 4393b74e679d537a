"""The examples of the installed document types, and what each must end as: the demo's script."""

from __future__ import annotations

import io
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree

from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.example_dates import moved
from tongguan.gateway.profile.profile import Profile

_FIXED_DATE = (2026, 1, 1, 0, 0, 0)  # so that the same folder gives the same bytes


@dataclass(frozen=True)
class Example:
    """A message to be dropped, by name `<type>/<file or folder>`; it comes after others have ended."""

    name: str
    file: str  #: its name in OutBox
    content: bytes
    after: tuple[str, ...]
    state: str
    status: str = ""  #: code of the document's status; empty: any


def read_examples(profiles: Mapping[str, Profile], today: str) -> list[Example]:
    """Every `ok-*` example, its dates of this year, as its folder's expect.toml orders them; SettingsWrong when that names one that is not there."""
    found = [example for profile in profiles.values() for example in _of_profile(profile, today)]
    names = {example.name for example in found}
    for example in found:
        missing = [name for name in example.after if name not in names]
        if missing:
            which = ", ".join(missing)
            raise SettingsWrong(
                f"{example.name}：after 所指的 {which} 不是样例", f"{example.name}: after names {which}, which is no example"
            )
    return found


def _of_profile(profile: Profile, today: str) -> list[Example]:
    folder = profile.folder / "examples"
    path = folder / "expect.toml"
    if not path.is_file():
        return []
    expected: dict[str, dict[str, Any]] = tomllib.loads(path.read_text("utf-8"))
    forgotten = {p.name for p in folder.glob("ok-*")} - set(expected)
    if forgotten:
        which = ", ".join(sorted(forgotten))
        raise SettingsWrong(f"{path}：没有提到 {which}", f"{path}: says nothing of {which}")
    return [_example(profile, folder / name, wanted, today) for name, wanted in expected.items()]


def _example(profile: Profile, source: Path, wanted: Mapping[str, Any], today: str) -> Example:
    status = wanted.get("status", "")
    return Example(
        name=f"{profile.type}/{source.name}",
        file=f"{profile.type}_{source.name}" + (".zip" if source.is_dir() else ""),
        content=_zipped(source, today) if source.is_dir() else moved(source.read_bytes(), today),
        after=tuple(name if "/" in name else f"{profile.type}/{name}" for name in wanted.get("after", ())),
        state=wanted["state"],
        status=profile.statuses[status].code if status else "",
    )


def _zipped(folder: Path, today: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            content = file.read_bytes()
            archive.writestr(
                zipfile.ZipInfo(file.name, _FIXED_DATE), moved(content, today) if file.stem == "message" else content
            )
    return packed.getvalue()


def repeated(examples: Sequence[Example], profiles: Mapping[str, Profile], count: int) -> list[Example]:
    """`count` declares more, each under a reference of its own: copies of the first that stands alone and reserves nothing."""
    for example in examples:
        profile = profiles[example.name.partition("/")[0]]
        if example.after or example.state != "accepted" or not example.file.endswith(".xml"):
            continue
        root = etree.fromstring(example.content)
        operation = profile.operations.get(root.get("operation", ""))
        if operation and operation.opens_round and not operation.reserve:
            return [_copy(example, root, number) for number in range(1, count + 1)]
    return []


def _copy(example: Example, root: etree._Element, number: int) -> Example:
    name = f"{example.name.removesuffix('.xml')}-{number:05d}.xml"
    root.set("reference", f"demo-{number:05d}")
    if "document" in root.attrib:
        del root.attrib["document"]
    content = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return Example(name, name.replace("/", "_"), content, (), example.state, example.status)
