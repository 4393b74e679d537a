"""What a card or a signature can answer besides yes.

Every class says what happened, none says what the message does next: the flow decides that. No text ever holds a PIN.
"""

from tongguan.gateway.model.errors import TongguanError


class CardAbsent(TongguanError):
    """No card is in the reader; the same call works again when it is back."""

    def __init__(self, zh: str = "卡不在位", en: str = "the card is not in the reader") -> None:
        super().__init__(zh, en)


class PinWrong(TongguanError):
    """The card refused the PIN, or was not asked because it refused before; only a new PIN from a person opens it.

    `tries_left` is None where the card does not tell.
    """

    def __init__(self, tries_left: int | None = None) -> None:
        left = ("未知", "unknown") if tries_left is None else (str(tries_left),) * 2
        super().__init__(f"卡不接受其 PIN；剩余次数：{left[0]}", f"the card refused the PIN; tries left: {left[1]}")
        self.tries_left = tries_left


class PinNeeded(TongguanError):
    """The card asks for a PIN and none is at hand: a person must give it."""

    def __init__(self, zh: str = "卡等待输入 PIN", en: str = "the card waits for its PIN") -> None:
        super().__init__(zh, en)


class PinUnfit(PinNeeded):
    """What was given, or lies where the settings say, cannot be a PIN: the card was not touched, and no try is gone."""


class CardMismatch(TongguanError):
    """Another card than the bound one is in the reader; both are card numbers."""

    def __init__(self, in_reader: str, bound: str) -> None:
        super().__init__(f"读卡器中是卡 {in_reader}，绑定的是 {bound}", f"card {in_reader} is in the reader, {bound} is bound")
        self.in_reader = in_reader
        self.bound = bound


class CardBroken(TongguanError):
    """The card, its library or its process failed; the next call starts afresh."""


class SignatureInvalid(TongguanError):
    """The document is not to be believed; `code` is stable, the rest is for a person."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{code}：{zh}", f"{code}: {en}")
        self.code = code
