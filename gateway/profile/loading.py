"""Walk the profile folders and make each document type into frozen data, once, at start.

Promises: all that is wrong is told at once, with file and line and the nearest known word; a profile that loads names only
statuses, operations, numbers, fields and code tables that exist. Named checks and fills are known to the codecs alone and
are looked at by `codecs/checking/compile.py`, also at start.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from tongguan.gateway.profile.fields import read_fields
from tongguan.gateway.profile.parts import (
    asking_first,
    read_attachments,
    read_certificates,
    read_expires,
    read_notify,
    read_operation,
    read_prints,
    read_receipts,
    read_rules,
    read_statistics,
    read_status,
)
from tongguan.gateway.profile.profile import AttachmentRule, Authority, CodeTable, NumberRule, Profile, Profiles
from tongguan.gateway.profile.sections.agreement import look_at_agreement, look_at_changed, read_changes
from tongguan.gateway.profile.sections.calendar import look_at_calendar, read_calendar
from tongguan.gateway.profile.sections.lines import read_lines
from tongguan.gateway.profile.sections.merging import look_at_merge, read_merge
from tongguan.gateway.profile.sections.other_documents import look_across, look_at_reserve, read_filed, read_needs, read_party
from tongguan.gateway.profile.sections.own_form import look_at_own_form, own_forms, read_own_form
from tongguan.gateway.profile.sections.queries import QueryScope, read_query
from tongguan.gateway.profile.sections.replies import look_at_replies, pattern_wrong
from tongguan.gateway.profile.sections.takes import look_at_takes, read_takes
from tongguan.gateway.profile.source import Complaints, TomlFile, TomlTable, read_csv, table_of, text
from tongguan.gateway.system.storage import files

T = TypeVar("T")

INSTALLED = Path(__file__).parents[1] / "profiles"
TABLES = "tables"  #: the folder of code tables beside the authorities
FORM = "form.toml"  #: in a form's folder: what its types' profile.toml have in common
OWN = "profiles"  #: the folder of a home with types of its own
ALSO = "also"  #: the column with further names of a code, between bars
SAMPLES = "samples.toml"  #: among the installed tables: which of them are samples, and what codes of the real ones look like


def load_profiles(root: Path | None = None, *, home: Path | None = None) -> Profiles:
    """All document types under `root` (without: the installed ones), and those in the folder `profiles` of a home.

    SettingsWrong lists everything that is wrong. A home adds types and authorities, and replaces none. A code table of its folder
    `tables` is there in the place of the installed one; one in `profiles/tables` adds rows, or replaces those of their codes.
    Folders that say the same as before are the same profiles, not read again: at SIGHUP and in `check` nothing has changed, mostly.
    """
    root = root or INSTALLED
    roots = (root, *([home / OWN] if home is not None and (home / OWN).is_dir() else []))
    whole = home / TABLES if home is not None and (home / TABLES).is_dir() else None
    try:
        said = {**said_by(root), **(said_by_home(home) if home is not None else {})}
        return _loaded(roots, whole, tuple(said.items()))
    except OSError:  # one of them cannot be read: reading it for what it says complains with its place
        return _loaded.__wrapped__(roots, whole, ())


def said_by(root: Path) -> Mapping[Path, str]:
    """A hash of what each folder of types or tables says, by which it is known again. OSError where one cannot be read."""
    folders = sorted(folder for folder in (*root.glob("*"), *root.glob("*/*")) if folder.is_dir())
    return {folder: _version([folder]) for folder in folders}


def said_by_home(home: Path) -> Mapping[Path, str]:
    """The same of what a home has of its own: types, and tables of both folders."""
    whole = home / TABLES
    return {**said_by(home / OWN), **({whole: _version([whole])} if whole.is_dir() else {})}


@lru_cache(maxsize=4)
def _loaded(roots: tuple[Path, ...], whole: Path | None, said: tuple[tuple[Path, str], ...]) -> Profiles:
    """Read what is under the roots; `said`: every folder there with a hash of its files, by which it is known again."""
    root = roots[0]
    complaints = Complaints()
    tables = _tables(root, roots[1:], whole, complaints)
    folders = sorted(f.parent for each in roots for f in each.glob("*/authority.toml"))
    authorities = {folder.name: _authority(folder, complaints) for folder in folders}
    profiles: dict[str, Profile] = {}
    for folder in (p.parent for each in roots for p in sorted(each.glob("*/*/profile.toml"))):
        if folder.parent.name not in authorities:
            complaints.unknown(f"{folder}/profile.toml:1", "authority", folder.parent.name, authorities)
            continue
        if folder.name in profiles:
            zh, en = f"已有单证类型 {folder.name}", f"document type {folder.name} exists already"
            complaints.add(f"{folder}/profile.toml:1", zh, en)
        profiles[folder.name] = _profile(folder, tables, authorities, complaints, root)
    own_forms(profiles, complaints)
    for profile in profiles.values():
        _taken_along_exist(profile, profiles, complaints)
        look_at_changed(profile, profiles, complaints)
        look_across(profile, profiles, complaints)
        look_at_merge(profile, profiles, complaints)
    complaints.end()
    return Profiles(profiles, tables, authorities)


def _tables(root: Path, own: Iterable[Path], whole: Path | None, complaints: Complaints) -> dict[str, CodeTable]:
    """The installed tables, those that a home has in their place, and the rows that it adds."""
    tables = {file.stem: _table(file, complaints, None) for file in sorted((root / TABLES).glob("*.csv"))}
    for name, codes in _samples(root / TABLES / SAMPLES, tables, complaints).items():
        tables[name] = replace(tables[name], sample=codes)
    for file in sorted(whole.glob("*.csv")) if whole is not None else ():
        installed = tables.get(file.stem)
        tables[file.stem] = _table(file, complaints, replace(installed, rows={}, sample="") if installed is not None else None)
    for file in (f for each in own for f in sorted((each / TABLES).glob("*.csv"))):
        tables[file.stem] = _table(file, complaints, tables.get(file.stem))
    return tables


def _samples(file: Path, tables: Mapping[str, CodeTable], complaints: Complaints) -> dict[str, str]:
    """Which tables are samples, each with the form of the codes that the real one has."""
    part = TomlFile(file, complaints).part() if file.is_file() else None
    given = dict(part.given) if part is not None else {}
    for name in given.keys() - tables.keys():
        complaints.unknown(f"{file}:1", "code table", name, tables)
    return {name: part.take(name, text, "") for name in tables.keys() & given.keys()} if part is not None else {}


def _table(file: Path, complaints: Complaints, installed: CodeTable | None) -> CodeTable:
    """A code table; of one that is installed the home's rows come to those that are there."""
    own: dict[str, Mapping[str, str]] = {}
    columns = installed.columns if installed is not None else ("code", "zh", "en")
    for line, row in read_csv(file, complaints, columns):
        if installed is None:
            columns = tuple(row)
        elif len(row) > len(columns):
            zh, en = f"表头应为 {','.join(columns)}", f"the header must be {','.join(columns)}"
            complaints.add(f"{file}:1", zh, en)
            break
        code = row["code"]
        if not code or code in own:
            complaints.add(f"{file}:{line}", f"代码 {code!r} 为空或重复", f"code {code!r} is empty or stands twice")
        own[code] = row
    rows = {**(installed.rows if installed is not None else {}), **own}
    codes = {**_names(rows, "en"), **_names(rows, "zh")}
    return CodeTable(file.stem, columns, rows, codes, installed.sample if installed is not None else "")


def _names(rows: Mapping[str, Mapping[str, str]], language: str) -> dict[str, str]:
    """Name to code, in one language; a name of two codes is none of them. Further names are of Chinese forms."""
    also = ALSO if language == "zh" else ""
    named = [(name, code) for code, row in rows.items() for name in (row.get(language), *row.get(also, "").split("|")) if name]
    names = Counter(name for name, _ in named)
    return {name: code for name, code in named if names[name] == 1}


def _authority(folder: Path, complaints: Complaints) -> Authority:
    part = TomlFile(folder / "authority.toml", complaints).part()
    return part.made(Authority, {"account_code": ("mofcom_code", "customs_code", "uscc")}, ("title",), name=folder.name)


def _profile(
    folder: Path,
    tables: Mapping[str, CodeTable],
    authorities: Mapping[str, Authority],
    complaints: Complaints,
    root: Path,
) -> Profile:
    file = TomlFile(folder / "profile.toml", complaints)
    form = file.part().take("form", text, "")
    folders = [_form(folder, form, root), folder] if form else [folder]
    if not all(f.is_dir() for f in folders):
        file.part().complain("form", f"没有文件夹 {form}", f"there is no folder {form}")
    elif form and (folders[0] / FORM).is_file():
        file.over(TomlFile(folders[0] / FORM, complaints))
    part = file.part()
    if (folder / FORM).is_file():
        zh, en = f"有 {FORM} 的文件夹是表单，不是单证类型", f"a folder with {FORM} is a form, and no document type"
        complaints.add(f"{folder / FORM}:1", zh, en)
    part.take("form", text, "")
    operations = tuple(part.take("operation", table_of, dict[str, Any]()))
    fields = read_fields([f / "fields.csv" for f in folders], tables, operations, complaints)
    paths = {f.path for f in fields}
    numbers = {k: _number(one, k, paths) for k, one in part.parts("numbers").items()}
    statuses = {k: read_status(one, k) for k, one in part.parts("status").items()}
    receipts = read_receipts(part, statuses, operations, authorities)
    known = (statuses, numbers, authorities, {f.path: f for f in fields}, operations)

    def only(key: str, read: Callable[[TomlTable], T], otherwise: T) -> T:
        """What a table of its own says, where there is one."""
        return read(file.part(key)) if part.take(key, table_of, dict[str, Any]()) else otherwise

    statistics = only("statistics", lambda one: read_statistics(one, statuses, {f.path: f for f in fields}), None)
    dimensions = statistics.dimensions if statistics else ()
    found = {f.path for f in fields if f.find}
    asked = QueryScope(numbers, paths, found, authorities, tables, statuses, folder.parent.name, dimensions)
    profile = part.made(
        Profile,
        {"signature": ("xml", "cms"), "ministry": tables["ministry"].rows if "ministry" in tables else ()},
        ("title", "system"),
        type=folder.name,
        authority=folder.parent.name,
        folder=folder,
        version=_version(folders),
        namespace=part.take("namespace", text, f"urn:tongguan:{folder.name}:1"),
        account_code=authorities[folder.parent.name].account_code,
        fields=fields,
        rules=read_rules(folders, operations, complaints),
        operations=asking_first({k: read_operation(one, k, known) for k, one in part.parts("operation").items()}, part),
        statuses=statuses,
        receipts=receipts,
        numbers=numbers,
        queries={k: read_query(one, k, asked) for k, one in part.parts("query").items()},
        attachments=only("attachments", lambda one: read_attachments(one, tables, operations), AttachmentRule()),
        card_authority=part.one_of("card", authorities, folder.parent.name),
        certificates=read_certificates(part),
        needs=read_needs(part, operations, fields),
        filed=read_filed(part, fields),
        changes=only("changes", lambda one: read_changes(one, part.given.get("needs", {}), {f.path: f for f in fields}), None),
        takes=only("takes", lambda one: read_takes(one, {f.path: f for f in fields}, operations), None),
        statistics=statistics,
        lines=read_lines(part, statuses, {f.path: f for f in fields}),
        expires=only("expires", lambda one: read_expires(one, statuses, {f.path: f for f in fields}), None),
        calendar=read_calendar(part, fields),
        merge=only("merge", lambda one: read_merge(one, statuses, {f.path: f for f in fields}, tables), None),
        notify=only("notify", lambda one: read_notify(one, receipts, paths), None),
        prints=read_prints(part, statuses),
        party=only("party", lambda one: read_party(one, paths, part.given.get("needs", {})), None),
        own_form=only("own_form", lambda one: read_own_form(one, numbers, {f.path: f for f in fields}, operations), None),
    )
    _whole(profile, part)
    look_at_replies(folders, profile.operations, complaints)
    look_at_agreement(profile, part)
    look_at_reserve(profile, part)
    look_at_takes(profile, part)
    look_at_calendar(profile, part)
    look_at_own_form(profile, part)
    return profile


def _number(part: TomlTable, kind: str, paths: Collection[str]) -> NumberRule:
    rule = part.made(NumberRule, {"field": paths}, ("label",), kind=kind)
    wrong = pattern_wrong(rule.given, ("yy", "yyyy", "serial")) if rule.given else None
    if wrong is not None:
        part.complain("given", *wrong)
    return rule


def _form(folder: Path, form: str, root: Path) -> Path:
    """The folder of a type's form: beside it, or for a type of a home's own where it would be among the others."""
    beside = folder.joinpath(form).resolve()
    return beside if beside.is_dir() else root.joinpath(folder.parent.name, folder.name, form).resolve()


def _whole(profile: Profile, part: TomlTable) -> None:
    complaints = part.file.complaints
    if profile.own_number and profile.own_number not in profile.numbers:
        complaints.unknown(part.place("own_number"), "number", profile.own_number, profile.numbers)
    paths = {f.path for f in profile.fields}
    if profile.signer not in ("", "account") and profile.signer not in paths:
        complaints.unknown(part.place("signer"), "field", profile.signer, paths)


def _taken_along_exist(profile: Profile, profiles: Mapping[str, Profile], complaints: Complaints) -> None:
    """Types whose documents go with one of this type: a need of theirs names it, and they can be deleted."""
    place = f"{profile.folder}/profile.toml:1"
    for operation, type_ in ((o, type_) for o in profile.operations.values() for type_ in o.takes_along):
        zh, en = f"operation.{operation.name}：", f"operation.{operation.name}: "
        if type_ not in profiles:
            complaints.unknown(place, "document type", type_, profiles, f"operation.{operation.name}")
        elif not profiles[type_].naming(profile.type):
            zh, en = (
                f"{zh}{type_} 没有指明 {profile.type}（names）的 needs，且其字段有 find",
                f"{en}{type_} has no need that names {profile.type} by a field with find",
            )
            complaints.add(place, zh, en)
        elif operation.name not in profiles[type_].operations:
            complaints.add(place, f"{zh}{type_} 没有操作 {operation.name}", f"{en}{type_} has no operation {operation.name}")


def _version(folders: Iterable[Path]) -> str:
    """A hash of what the folders say; examples say nothing, and schemas are written from the rest."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(f for f in folder.iterdir() if f.is_file() and not f.name.startswith((".", "schema."))):
            content = files.read(file)
            digest.update(f"{file.name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()[:16]
