"""docs/asyncapi.json, and whether a message is as it says."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs" / "asyncapi.json").read_bytes())


@cache
def schema(name: str) -> Any:
    return jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", **DOCUMENT})


def fits(content: dict[str, Any]) -> dict[str, Any]:
    """An event or a reply, which must be as the document says."""
    name = "Event" if "event_id" in content else "Reply" if "reply_id" in content else ""
    if name:
        schema(name).validate(content)
    return content
