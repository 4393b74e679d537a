"""Find the profile folders and read the scripts in them as they stand, each laid over the script of its form.

The folders are found by walking, as ``<root>/<authority>/<type>/``; a folder with ``form.toml`` is what several types share and
no type itself. Which form a type uses, the key ``form`` of its ``profile.toml`` says.
"""

from __future__ import annotations

import importlib.resources
import tomllib
from pathlib import Path
from typing import Any

SCRIPT, PROFILE, FORM = "replies.toml", "profile.toml", "form.toml"
_KEYS = {"code": "code", "flow": "operation", "query": "kind", "check": "code", "turn": "marker"}


def installed_profiles() -> Path:
    """Give the folder of the installed profiles without importing any code of the gateway."""
    return Path(str(importlib.resources.files("tongguan"))) / "gateway" / "profiles"


def authorities(root: Path) -> list[str]:
    """List the authorities that have a folder."""
    return sorted(folder.name for folder in root.iterdir() if folder.is_dir() and any(folder.glob("*/")))


def script_folders(root: Path, authority: str) -> list[Path]:
    """List the folders of an authority's types that have a script, their own or their form's."""
    found = [path for path in sorted((root / authority).glob("*/")) if not (path / FORM).is_file()]
    return [path for path in found if (path / SCRIPT).is_file() or _has_script(_form(path))]


def raw_script(folder: Path) -> dict[str, Any]:
    """Read a type's script, laid over its form's. Raises what reading TOML raises.

    A licence is cited under the codes of the type's certificates, unless the script says otherwise.
    """
    own = _read(folder / SCRIPT)
    form = _form(folder)
    script = laid_over(_read(form / SCRIPT), own) if form else own
    if "licence" in script and "codes" not in script["licence"]:
        papers = _read(folder / PROFILE).get("certificate", [])
        script["licence"] |= {"codes": [code for paper in papers for code in paper["codes"]]}
    return script


def layers(folder: Path) -> list[Path]:
    """List the folders that make a type: its form's, where it has one, then its own."""
    form = _form(folder)
    return [form, folder] if form else [folder]


def laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Lay one script over another: tables key by key, the arrays of named entries by their name, all else from above."""
    laid = dict(below)
    for name, value in above.items():
        under = below.get(name)
        if isinstance(value, dict) and isinstance(under, dict):
            laid[name] = laid_over(under, value)
        elif name in _KEYS and isinstance(value, list) and isinstance(under, list):
            laid[name] = _by_name(under, value, _KEYS[name])
        else:
            laid[name] = value
    return laid


def _by_name(below: list[dict[str, Any]], above: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Replace entries of the same name where they stand, and add the others behind; nameless ones never meet."""
    own = {row[key]: row for row in above if key in row}
    replaced = [own.get(row.get(key), row) for row in below]
    return replaced + [row for row in above if all(row is not one for one in replaced)]


def _has_script(folder: Path | None) -> bool:
    return folder is not None and (folder / SCRIPT).is_file()


def _form(folder: Path) -> Path | None:
    named = str(_read(folder / PROFILE).get("form", ""))
    if not named or (folder / named).is_dir():
        return (folder / named).resolve() if named else None
    return (installed_profiles() / folder.parent.name / folder.name / named).resolve()  # a type of a home's own


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
