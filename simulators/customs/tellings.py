"""Plan what is to be told of the uses of a licence; ``licence_updates.py`` tells it, again and again until it is taken."""

from __future__ import annotations

from tongguan.simulators.customs.ledger import Entry
from tongguan.simulators.messages.markup import new_root
from tongguan.simulators.server.office import Office

USE = "urn:tongguan:licence-use:1"


def plan_tellings(office: Office, entry: Entry) -> None:
    """Plan to tell each licence's authority that a declaration was written off; own ones need no telling. To be called inside a transaction."""
    for permit in office.store.ledger.permits_in(entry.number):
        if permit.sender == office.authority:
            continue
        root = new_root(USE, "Use")
        said = {
            "id": f"{entry.number} {permit.number} release",
            "authority": office.authority,
            "type": permit.type,
            "account": permit.account,
            "licence": permit.number,
            "entry": entry.number,
            "date": entry.events["release"],
        }
        for name, value in said.items():
            root.set(name, value)
        office.store.ledger.plan_telling(permit.sender, office.sealer.seal(root), office.clock.now())
