"""What is wrong with cards is told while it lasts, and what waited for one goes on when it is well again. No card is touched here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tongguan.gateway.flow.cards.looks import CardTrouble, trouble_of
from tongguan.gateway.flow.site import Site
from tongguan.gateway.model.errors import in_both
from tongguan.gateway.model.lane import ClosedLane, Lane, LaneKind
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.printed import at_home
from tongguan.outbox.alerts import Alerts
from tongguan.signer.cards.pin import fits, read_pin
from tongguan.signer.errors import PinNeeded

_LANES = (LaneKind.CARD, LaneKind.PRESENCE)
_PAUSE_SECONDS = 0.5  #: a site may have very many cards
_OPENS_ALL_THE_SAME: Mapping[str, tuple[str, ...]] = {  #: what is found out by trying, or does not matter there
    LaneKind.CARD: ("pin", "holder"),
    LaneKind.PRESENCE: ("pin", "holder", "validity"),
}


class CardWatch:
    """Alerts, heartbeat and lanes of the cards, from what was last seen of them."""

    def __init__(self, site: Site, alerts: Alerts) -> None:
        self._site = site
        self._alerts = alerts
        self._told: dict[str, tuple[CardTrouble, int]] = {}  #: with since when
        self._told_at = -_PAUSE_SECONDS
        self._shut: dict[tuple[str, int], int] = {}  #: lane and since when, to the last look before it was seen shut

    def tell(self, *, again: bool = False) -> None:
        """Raise an alert for each card that signs nothing now, and end those that are over; what was told already, only `again`."""
        if not again and clock.monotonic() - self._told_at < _PAUSE_SECONDS:
            return
        self._told_at = clock.monotonic()
        cards = self._site.rules.cards.values()
        found = {
            card.name: trouble
            for account, card in cards
            if (trouble := trouble_of(account, card, self._site.looks))
            and not (trouble.kind == "pin" and self._waits_for_pin(card.name))
        }
        for name, trouble in found.items():
            told = self._told.get(name)
            if again or told is None or told[0] != trouble:
                since = told[1] if told is not None and told[0].kind == trouble.kind else clock.now_ms()
                self._told[name] = (trouble, since)
                self._alerts.tell("card", in_both(trouble.zh, trouble.en), do=trouble.do, about=name)
        unseen = [card.name for _, card in cards if self._site.looks.last(card.name) is None]
        for name in self._alerts.about("card"):
            if name not in found and name not in unseen:
                self._told.pop(name, None)
                self._alerts.over("card", name)

    def _waits_for_pin(self, name: str) -> bool:
        """Its lane says so already, with when it was shut."""
        lane = self._site.journal.lanes.get(Lane(LaneKind.CARD, name))
        return lane is not None and lane.reason == "pin"

    def _said(self, trouble: CardTrouble) -> str:
        return self._site.rules.settings.gateway.say(trouble.zh, trouble.en)

    def shown(self, name: str) -> dict[str, Any] | None:
        """The card as the heartbeat shows it, where something is wrong with it."""
        if name not in self._told:
            return None
        trouble, since = self._told[name]
        text, do = self._said(trouble), at_home(trouble.do, self._site.rules.settings.home)
        return {"open": False, "reason": trouble.kind, "text": text, "since": times.show(since), "do": do}

    def is_cards(self, lane: ClosedLane) -> bool:
        """Does this lane lead to a card, so that it is opened by what was seen of the card?"""
        return lane.name.kind in _LANES

    def may_open(self, lane: ClosedLane) -> bool:
        """Was the card seen well since the lane was shut? One that refused its PIN, or waits for a person's, never opens by itself.

        One that has not been asked, because where its PIN should be there was none, opens when there is.
        """
        kind, name = lane.name.kind, lane.name.name
        if lane.probe_at is None or name not in self._site.cards:
            return False
        if lane.reason == "pin":
            return self._has_pin(name)
        last = self._site.looks.last(name)
        number = last.number if last else 0
        if number <= self._shut.setdefault((lane.name, lane.since), number):
            return False
        trouble = trouble_of(*self._site.rules.cards[name], self._site.looks)
        return trouble is None or trouble.kind in _OPENS_ALL_THE_SAME[kind]

    def _has_pin(self, name: str) -> bool:
        _, card = self._site.rules.cards[name]
        last = self._site.looks.last(name)
        try:
            pin = read_pin(card.pin, self._site.rules.settings.home)
            if last and last.state:
                fits(pin, last.state.pin_lengths)
        except PinNeeded:
            return False
        return True


def refused_pin(site: Site, name: str, text: str) -> None:
    """Shut the card's lane, in the journal: only a person's right PIN opens it."""
    site.journal.close_lane(ClosedLane(Lane(LaneKind.CARD, name), "pin", text, clock.now_ms(), None, f"tongguan card pin {name}"))
