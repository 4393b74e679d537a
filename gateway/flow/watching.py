"""What is watched while messages flow: shut lanes are probed, deadlines and cards looked at, troubles told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tongguan.gateway.flow.site import Site
from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.changing import replace
from tongguan.gateway.kernel.errors import Held
from tongguan.gateway.kernel.lists import Lane
from tongguan.gateway.kernel.message import Message, State
from tongguan.gateway.kernel.outcome import Outcome
from tongguan.gateway.work import hold
from tongguan.outbox.alerts import Alerts
from tongguan.signer.errors import CardBroken
from tongguan.signer.pin import Secret

_OVERDUE = 100  #: messages looked at in one go
_EXPIRES_SOON = timedelta(days=30)
_BACKLOG = timedelta(minutes=15)
_WAITING = (State.RECEIVED, State.CHECKED, State.SEALED)


class Watching:
    """Runs beside the stations; every method may be called from any thread."""

    def __init__(self, site: Site, alerts: Alerts) -> None:
        self._site = site
        self._alerts = alerts
        self._told: set[str] = set()

    def probe(self) -> bool:
        """Try each shut lane whose time has come, once; one that answers is opened, which makes its messages due."""
        opened = False
        for lane in list(self._site.journal.lanes.values()):
            self._tell(lane)
            if lane.probe_at is None or lane.probe_at > clock.now_ms():
                continue
            answers = self._answers(lane)
            if self._site.journal.lanes.get(lane.name) != lane:
                continue  # a person paused or opened it while we asked
            if answers:
                self._site.journal.open_lane(lane.name)
                opened = True
            else:
                wait = round(self._site.settings.schedule.probe.total_seconds() * 1000)
                self._site.journal.close_lane(replace(lane, probe_at=clock.now_ms() + wait))
        for name in self._told - set(self._site.journal.lanes):
            self._alerts.over("lane", name)
        self._told = set(self._site.journal.lanes)
        return opened

    def _tell(self, lane: Lane) -> None:
        if lane.name not in self._told and lane.reason != "paused":
            self._alerts.tell("lane", f"{lane.name} is shut: {lane.text}", do=lane.do, about=lane.name)

    def _answers(self, lane: Lane) -> bool:
        """Is what the lane leads to there again? A card that waits for a person's PIN never is."""
        kind, _, name = lane.name.partition(":")
        if kind == "card" and name in self._site.cards:
            try:
                state = self._site.cards[name].probe()
            except CardBroken:
                return False
            return state.present and state.matches and lane.reason != "pin"
        if kind in ("route", "ask") and name in self._site.routes:
            return self._site.routes[name].healthy()
        return True

    def give_pin(self, name: str, pin: Secret) -> str:
        """Try a person's PIN once; the card's lane opens when it is right. Raises what the card says otherwise."""
        card = self._site.cards[name]
        card.give_pin(pin)
        self._site.journal.open_lane(f"card:{name}")
        return f"card {name} is open"

    def look(self) -> None:
        """Deadlines that passed, and certificates that end soon."""
        now = clock.now_ms()
        with self._site.journal.read() as records:
            overdue = records.overdue(now, _OVERDUE)
        for message in overdue:
            self._overdue(message, now)
        self._stock(now)
        for name, card in self._site.cards.items():
            self._certificate(name, card.probe().valid_until if name not in self._site.journal.lanes else None)
        site = self._site
        for name, until in {(n, c.not_valid_after_utc) for of in (site.encrypt_to, site.secrets_to) for n, c in of.items()}:
            self._recipient(name, until)

    def _overdue(self, message: Message, now: int) -> None:
        """Unanswered: told and asked for, never silently final. Not yet sent: held for a person."""
        later = replace(message, deadline_at=now + 86_400_000, updated_at=now)
        if message.state is State.SENT:
            known = self._is_known(message)
            text = f"message {message.id} ({message.type} {message.operation}) has no verdict; the authority {known}"
            self._alerts.tell("deadline", text, do=f"tongguan show {message.id}", about=message.id)
            self._site.journal.finish(
                [(Outcome(later, message.state, "deadline", why=f"no verdict in time; the authority {known}"),)]
            )
        elif message.state in (State.RECEIVED, State.CHECKED, State.SEALED):
            held = Held("not delivered before its deadline", do=f"tongguan retry {message.id}; tongguan give-up {message.id}")
            outcome = hold(message, "deadline", held)
            self._site.journal.finish([(replace(outcome, message=replace(outcome.message, deadline_at=None)),)])
        else:
            # Held meanwhile: a deadline in the past would be found first, look after look.
            self._site.journal.finish([(Outcome(replace(message, deadline_at=None), message.state, "deadline"),)])

    def _is_known(self, message: Message) -> str:
        """Ask the authority whether it has a message that it did not answer."""
        route = self._site.routes.get(str((message.extra or {}).get("route", "")))
        if route is None:
            return "cannot be asked"
        return {"receipt": "has it", "unknown": "never saw it"}.get(route.ask(message.wire_id).kind, "does not answer")

    def _stock(self, now: int) -> None:
        """What waits for a person, and what has waited too long to be called work."""
        with self._site.journal.read() as records:
            counts: Counter[State] = Counter()
            for _, _, state, count in records.tally():
                counts[State(state)] += count
            oldest = min((at for state in _WAITING if (at := records.oldest(state)) is not None), default=now)
        if held := counts[State.HELD]:
            self._alerts.tell("held", f"{held} messages wait for a person", do="tongguan list --state held")
        else:
            self._alerts.over("held")
        if aside := counts[State.QUARANTINED]:
            self._alerts.tell("quarantined", f"{aside} receipts are not believed", do="tongguan quarantine list")
        else:
            self._alerts.over("quarantined")
        if now - oldest > _BACKLOG.total_seconds() * 1000:
            self._alerts.tell("backlog", f"messages have waited since {clock.show(oldest)}", do="tongguan status")
        else:
            self._alerts.over("backlog")

    def _certificate(self, name: str, until: Any) -> None:
        if until is not None and until - clock.now() < _EXPIRES_SOON:
            self._alerts.tell(
                "certificate",
                f"the certificate of card {name} ends {until:%Y-%m-%d}",
                do=f"tongguan card list; tongguan card bind {name}",
                about=name,
            )

    def _recipient(self, route: str, until: datetime) -> None:
        if until - clock.now() < _EXPIRES_SOON:
            self._alerts.tell(
                "certificate",
                f"the certificate that route {route} encrypts to ends {until:%Y-%m-%d}",
                do="tongguan config check",
                about=f"route:{route} {until:%Y-%m-%d}",
            )

    def health(self) -> Mapping[str, Any]:
        """Cards and routes as the heartbeat shows them."""
        lanes = self._site.journal.lanes
        cards = {n: _shown(lanes.get(f"card:{n}")) for n in self._site.cards}
        routes = {n: _shown(lanes.get(f"route:{n}")) for n in self._site.routes}
        return {"cards": cards, "routes": routes, "deadlines": []}


def _shown(lane: Lane | None) -> dict[str, Any]:
    if lane is None:
        return {"open": True}
    return {"open": False, "reason": lane.reason, "text": lane.text, "since": clock.show(lane.since), "do": lane.do}
