"""`tongguan config show`: the settings as they hold, in the form of the file; secrets are not shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from tongguan.gateway.cli import context
from tongguan.gateway.cli.output import print_json, print_raw
from tongguan.signer.cards.pin import is_reference

HIDDEN = "***"
_SECRETS = {"pin", "password", "token", "secret"}
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))


def show(
    defaults: Annotated[bool, typer.Option("--defaults", help="with every key that the file leaves out / 包括默认值")] = False,
) -> None:
    """显示生效的设置；--defaults 包括默认值 / The settings as they hold; --defaults: with all that the file leaves out."""
    settings = context.settings()
    plain = _plain(settings, defaults=defaults)
    plain.pop("home", None)
    if context.as_json():
        print_json(plain)
    else:
        print_raw(f"# {settings.home}/tongguan.toml\n" + "\n".join(_toml(plain)).strip("\n"))


def _plain(model: BaseModel, *, defaults: bool) -> dict[str, Any]:
    """What stands in the file, or all that holds; by name, in the order of the page."""
    names = [name for name in type(model).model_fields if defaults or name in model.model_fields_set]
    return {name: _value(name, getattr(model, name), defaults) for name in names}


def _value(name: str, value: Any, defaults: bool) -> Any:
    if isinstance(value, BaseModel):
        return _plain(value, defaults=defaults)
    if isinstance(value, timedelta):
        return _span(value)
    if isinstance(value, (list, tuple)):
        return [_value(name, each, defaults) for each in value]
    if isinstance(value, Mapping):
        return {key: _value(key, each, defaults) for key, each in value.items()}
    if isinstance(value, str):
        return _hidden(name, value)
    return value


def _hidden(name: str, value: str) -> str:
    if name in _SECRETS and value not in ("", "prompt") and not is_reference(value):
        return HIDDEN
    if name == "url" and "://" in value:
        value = re.sub(r"(?<=://)([^/@:]*):[^/@]*@", rf"\1:{HIDDEN}@", value)
        return re.sub(r"(?<=\?).*", HIDDEN, value)
    return value


def _span(value: timedelta) -> str:
    ms = round(value / timedelta(milliseconds=1))
    unit, name = next(((unit, name) for unit, name in _UNITS if ms and ms % unit == 0), (1, "ms"))
    return f"{ms // unit}{name}" if ms else "0s"


def _toml(part: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Lines: the keys of a part, then the parts in it."""
    plain = {key: value for key, value in part.items() if not _is_part(value)}
    for key, value in plain.items():
        yield f"{_key(key)} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in part.items():
        inner = f"{place}.{_key(key)}".strip(".")
        if isinstance(value, Mapping):
            if not value or not all(isinstance(each, Mapping) for each in value.values()):
                yield from ("", f"[{inner}]")
            yield from _toml(value, inner)
        elif _is_part(value):
            for each in value:
                yield from ("", f"[[{inner}]]", *_toml(each, inner))


def _is_part(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and bool(value) and isinstance(value[0], Mapping))


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
