"""What MOFCOM would answer today to the question that the declare of an example puts first, where no MOFCOM is there to ask."""

from __future__ import annotations

import bodies as b
from lxml import etree

from tongguan.codecs.checking.check import check
from tongguan.codecs.reading.read import read
from tongguan.gateway.flow.query.authority.known_answers import question_of
from tongguan.gateway.flow.site import Site
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.system import clock

ELECTRONIC = {"LicenceForm": "electronic", "Enterprise/RegistrationStatus": "1"}


def know_editions(site: Site, account: str = "demo", *, like: str = "ok-declare.xml") -> None:
    """Let the gateway have been told already that licences like this example are electronic ones."""
    root = b.message(b.APPLICATION, "declare", like=like)
    (item,) = read("message.xml", etree.tostring(root), most_bytes=1_000_000).items
    now, rules = site.business.now_ms(), site.rules
    compiled, own = rules.compiled(b.APPLICATION), rules.account(account)
    asked = check(compiled, item, account=own, document=None, operation="declare", numbers={}, now_ms=now).content
    message = Message(
        id="asked", kind=Kind.SUBMISSION, account=account, type=b.APPLICATION, operation="declare", state=State.RECEIVED,
        received_at=clock.now_ms(), updated_at=clock.now_ms(),
    )  # fmt: skip
    site.answers.note(question_of(rules.profile(b.APPLICATION), message, asked, now), ELECTRONIC)
