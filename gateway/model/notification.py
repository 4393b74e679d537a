"""A short message to a person: decided with the receipt that it tells of, sent later, kept until it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notification:
    """One text for one number. Its id follows from receipt and number, so that the same receipt never tells twice."""

    id: str
    account: str
    receipt: str  #: `<authority>:<receipt id>`
    message_id: str  #: the receipt's own message
    document_id: str
    reference: str  #: the document's key, for the provider's list
    phone: str
    text: str
    at: int
    next_at: int | None  #: None: sent, or given up
    attempts: int = 0
    sent_at: int | None = None

    @property
    def masked(self) -> str:
        """The number as logs and alerts may show it."""
        return masked(self.phone)


def masked(phone: str) -> str:
    """A telephone number without its middle."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) > 8 else "****"
