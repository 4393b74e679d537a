"""Messages of the mechanical and electrical system for acceptance tests, and what becomes of them."""

from __future__ import annotations

from typing import Any

import bodies as b
from lxml import etree
from sites import Site

APPLICATION, REGISTRATION, CATALOGUE = "ME.application", "ME.registration", "ME.catalogue"
APPROVED = "审批通过"


def application(operation: str = "declare", marker: str = "", *, document: str | None = None, **set_: Any) -> etree._Element:
    """A whole application for two new tomographs, paperless; `__` in a name stands for a slash."""
    changes = {name.replace("__", "/"): value for name, value in set_.items()}
    reference = b.fresh("me") + marker
    return b.message(APPLICATION, operation, like="ok-declare.xml", set_=changes, reference=reference, document=document)


def line(quantity: str, price: str, *, unit: str = "001", model: str = "64排") -> dict[str, str]:
    """A row of goods."""
    return {"Model": model, "Unit": unit, "Quantity": quantity, "UnitPrice": price}


def act(operation: str, document: str, **body: str) -> etree._Element:
    return b.message(APPLICATION, operation, document=document, set_=body)


def saved(site: Site, **set_: Any) -> str:
    """The key of a new draft."""
    return str(b.done(site, application("save", **set_))["document"])


def declared(site: Site, text: str, marker: str = "", **set_: Any) -> dict[str, Any]:
    """The document of an application that has come to this status."""
    status = b.done(site, application("declare", marker, **set_), "sent", "accepted", "rejected")
    return site.wait_business(APPLICATION, status["document"], text)


def registration(operation: str, marker: str = "", *, document: str = b.REGISTRATION, **set_: Any) -> etree._Element:
    """The enterprise's registration; fetch has no body."""
    like = None if operation == "fetch" else "ok-declare.xml"
    reference = b.fresh("reg") + marker
    return b.message(REGISTRATION, operation, like=like, set_=set_, reference=reference, document=document)
