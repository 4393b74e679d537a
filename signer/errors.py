"""What a card or a signature can answer besides yes.

Every class says what happened, none says what the message does next: the flow decides that. No text ever holds a PIN.
"""


class CardAbsent(Exception):
    """No card is in the reader; the same call works again when it is back."""

    def __init__(self, reason: str = "the card is not in the reader") -> None:
        super().__init__(reason)
        self.reason = reason


class PinWrong(Exception):
    """The card refused the PIN, or was not asked because it refused before; only a new PIN from a person opens it.

    `tries_left` is None where the card does not tell.
    """

    def __init__(self, tries_left: int | None = None) -> None:
        left = "unknown" if tries_left is None else str(tries_left)
        super().__init__(f"the card refused the PIN; tries left: {left}")
        self.tries_left = tries_left


class PinNeeded(Exception):
    """The card asks for a PIN and none is at hand: a person must give it."""

    def __init__(self, reason: str = "the card waits for its PIN") -> None:
        super().__init__(reason)
        self.reason = reason


class CardMismatch(Exception):
    """Another card than the bound one is in the reader; both are card numbers."""

    def __init__(self, in_reader: str, bound: str) -> None:
        super().__init__(f"card {in_reader} is in the reader, {bound} is bound")
        self.in_reader = in_reader
        self.bound = bound


class CardBroken(Exception):
    """The card, its library or its process failed; the next call starts afresh."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SignatureInvalid(Exception):
    """The document is not to be believed; `code` is stable, `text` is for a person."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
