"""Any order, loss and repetition of receipts, through rounds of amending and extending, lead to the same document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from agreement_desk import FILING, Office, filing, open_office
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.requirement("CD-05", "CD-06")
UNHURRIED = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with open_office(tmp_path_factory.mktemp("office")) as made:
        yield made


#: verdicts of each operation: what refuses, and what agrees
VERDICTS = {"declare": ["A1"], "amend": ["B1", "B2", "R2", "S2"], "extend": ["X1", "X2", "R2"]}
rounds = st.lists(st.sampled_from(["amend", "extend"]), min_size=1, max_size=3).flatmap(
    lambda operations: st.tuples(*(st.tuples(st.just(o), st.sampled_from(VERDICTS[o])) for o in ["declare", *operations]))
)


@dataclass
class Played:
    """A filing as it is played, and what its receipts must come to."""

    office: Office
    key: str
    amount: str = "100"
    until: str | None = None
    accepted: bool = False
    messages: list[dict[str, Any]] = field(default_factory=list)

    def open(self, operation: str, amount: str) -> None:
        body = filing(amount, code=self.key) if operation != "extend" else ""
        message = self.office.send(FILING, operation, self.key, body)
        assert message["state"] == "sent", message["faults"]
        self.messages.append(message)

    def say(self, told: Sequence[tuple[int, str]]) -> None:
        """Receipts of rounds (from 0); each tells its round's own day."""
        days = [f"<ValidUntil>{2090 + n}-05-31</ValidUntil>" for n, _ in told]
        receipts = (
            self.office.receipt(FILING, self.messages[n], code, content=day if code in ("A1", "X1") else "")
            for (n, code), day in zip(told, days, strict=True)
        )
        self.office.issue(*receipts)


@pytest.mark.long
@UNHURRIED
@given(rounds, st.data())
def test_rounds_of_amending_and_extending(office: Office, script: Sequence[tuple[str, str]], data: st.DataObject) -> None:
    played = Played(office, f"P-{office.fresh()}")
    said: list[tuple[int, str]] = []
    for n, (operation, verdict) in enumerate(script):
        played.open(operation, str(200 + n))
        kept = data.draw(st.lists(st.sampled_from(["S1", "R1"]), unique=True), "what is not lost")
        own = [(n, code) for code in [*kept, verdict]]
        again = data.draw(st.lists(st.sampled_from(said), max_size=3), "what comes once more, late") if said else []
        twice = data.draw(st.lists(st.sampled_from(own), max_size=2), "what comes twice")
        played.say(data.draw(st.permutations([*own, *twice, *again]), "the order"))
        said += own
        played.accepted |= "R1" in kept
        played.amount = str(200 + n) if verdict in ("A1", "B1") else played.amount
        played.until = f"{2090 + n}-05-31" if verdict in ("A1", "X1") else played.until
    document = office.document(FILING, played.key)

    assert document["business_status"]["text"] == "审批通过"
    assert (document["body"]["Amount"], document["body"]["ApprovedUntil"]) == (played.amount, played.until)
    assert ("AcceptDate" in document["body"]) == played.accepted
    assert document["pending"] is None
    assert not document["contradicted"]


@UNHURRIED
@given(st.lists(st.sampled_from(["S1", "R1", "R2", "B1", "C1"]), min_size=1, max_size=7))
def test_verdicts_that_contradict_each_other_come_to_what_the_weightiest_says(office: Office, codes: list[str]) -> None:
    played = Played(office, f"Q-{office.fresh()}")
    played.open("declare", "100")
    played.say([(0, "A1")])
    played.open("amend", "250")
    played.say([(1, code) for code in codes])
    document = office.document(FILING, played.key)

    awaits = not {"R2", "B1", "C1"} & set(codes)
    status = "取消" if "C1" in codes else "变更已申报" if awaits else "审批通过"
    assert document["business_status"]["text"] == status
    assert document["body"]["Amount"] == ("250" if "B1" in codes else "100")
    assert (document["pending"] is not None) == awaits
