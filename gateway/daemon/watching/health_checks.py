"""What is checked every so often: deadlines, what waits, room on disks, certificates. Each check says what is wrong, and what is not any more.

They are apart, and none holds up another: an authority that hangs is the matter of its own check.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from cryptography.x509 import Certificate

from tongguan.gateway.flow.cards.watch import CardWatch
from tongguan.gateway.flow.orders import back_to
from tongguan.gateway.flow.site import Site
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.errors import Held, each_of, in_both, many
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import FREES_REFERENCE, Message, State, shows_held
from tongguan.gateway.model.outcome import Chain, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.storage import files
from tongguan.gateway.system.storage.disk import shortages
from tongguan.gateway.work.loop import hold
from tongguan.outbox.alerts import Alerts
from tongguan.signer.certificate_file import NoCertificate, certificates_in
from tongguan.signer.envelope import out_of_time
from tongguan.signer.verify import TrustedCertificate

_OVERDUE = 100  #: messages looked at in one go
_NOTED = 100  #: and notes
_ASKED = 8  #: asked about at once: a few, so that what is to be sent is not held up
_DAY_MS = 86_400_000
_EXPIRES_SOON = timedelta(days=30)
_BACKLOG = timedelta(minutes=15)
_WAITING = (State.RECEIVED, State.CHECKED, State.SEALED)
_KNOWN = {"receipt": "has it", "unknown": "never saw it"}
_SILENT, _DEAF = "does not answer", "cannot be asked"
_KNOWN_ZH = {"has it": "已收到", "never saw it": "从未收到", _SILENT: "不应答", _DEAF: "无法询问"}


class HealthChecks:
    """The checks of a site, by name; each may be called from any thread, but not twice at once."""

    def __init__(self, site: Site, alerts: Alerts, cards: CardWatch) -> None:
        self._site, self._alerts, self._cards = site, alerts, cards
        self._clock_set = -1  #: times that the clock had been set when receipts in quarantine were last looked at again
        self._learned = False  #: has it been looked for receipts whose codes this site's profiles know by now?
        self.all: Mapping[str, Callable[[], None]] = {
            "deadlines": self.deadlines,
            "stock": self.stock,
            "noted": self.noted,
            "disks": self.disks,
            "certificates": self.certificates,
        }

    def deadlines(self) -> None:
        """Unanswered in time: told, and asked for, never silently final. Not sent in time: held for a person."""
        now = clock.now_ms()
        with self._site.journal.search() as records:
            overdue = records.overdue(now, _OVERDUE)
            told = records.messages(self._alerts.about("deadline"))
        for about in self._alerts.about("deadline"):
            if (message := told.get(about)) is None or message.state is not State.SENT:
                self._alerts.over("deadline", about)
        chains: list[Chain] = [self._past(m) for m in overdue if m.state is not State.SENT]
        if chains:
            self._site.journal.finish(chains)
        sent = [m for m in overdue if m.state is State.SENT]
        known = self._known(sent)
        if sent:
            self._site.journal.finish([self._later(m, now, known[m.id]) for m in sent])
        for message in sent:
            what, authority = f"{message.id} ({message.type} {message.operation})", known[message.id]
            zh = f"报文 {what} 到期仍无结论；主管部门{_KNOWN_ZH[authority]}"
            en = f"message {what} has no verdict; the authority {authority}"
            self._alerts.tell("deadline", in_both(zh, en), do=f"tongguan show {message.id}", about=message.id)

    def _later(self, message: Message, now: int, known: str) -> Chain:
        later = replace(message, deadline_at=now + _DAY_MS, updated_at=now)
        return (Outcome(later, message.state, "deadline", why=f"no verdict in time; the authority {known}"),)

    def _past(self, message: Message) -> Chain:
        if message.state in _WAITING:
            do = f"tongguan retry {message.id}; tongguan give-up {message.id}"
            held = Held("期限前没有送达", "not delivered before its deadline", do=do)
            outcome = hold(message, "deadline", held, clock.now_ms())
            return (replace(outcome, message=replace(outcome.message, deadline_at=None)),)
        # Held meanwhile: a deadline in the past would be found first, look after look.
        return (Outcome(replace(message, deadline_at=None), message.state, "deadline"),)

    def _known(self, messages: Sequence[Message]) -> dict[str, str]:
        """Whether the authorities have what they did not answer; once one does not say, it is not asked any further."""
        by_route: dict[str, list[Message]] = defaultdict(list)
        for message in messages:
            by_route[message.route or ""].append(message)
        known: dict[str, str] = {}
        for name, mine in by_route.items():
            route = self._site.routes.get(name)
            shut = Lane(LaneKind.ROUTE, name) in self._site.journal.lanes
            known |= dict.fromkeys((m.id for m in mine), _DEAF if route is None else _SILENT)
            for first in range(0, 0 if route is None or shut else len(mine), _ASKED):
                asked = [(m.id, route.submit_ask(m.wire_id)) for m in mine[first : first + _ASKED]]  # type: ignore[union-attr]
                answers = {id_: _KNOWN.get(future.result().kind, _SILENT) for id_, future in asked}
                known |= answers
                if _SILENT in answers.values():
                    break
        return known

    def stock(self) -> None:
        """What waits for a person, and what has waited too long to be called work."""
        now = clock.now_ms()
        with self._site.journal.search() as records:
            counts: Counter[State] = Counter()
            told = records.tally()
            for _, _, state, count in told:
                counts[State(state)] += count
            oldest = min((at for state in _WAITING if (at := records.oldest(state)) is not None), default=now)
        held, aside = counts[State.HELD], counts[State.QUARANTINED]
        late = now - oldest > _BACKLOG.total_seconds() * 1000
        text = in_both(f"{held} 条报文暂挂，等人处理", f"{many(held, 'message')} held for a person")
        self._alerts.stands("held", text if held else "", do=shows_held(told))
        text = in_both(f"{aside} 份回执不可信，已隔离", f"{many(aside, 'receipt')} not believed, in quarantine")
        self._alerts.stands("quarantined", text if aside else "", do="tongguan quarantine list")
        since = times.show(oldest)
        text = in_both(f"有报文自 {since} 起等待发送", f"messages have waited since {since}")
        self._alerts.stands("backlog", text if late else "", do="tongguan status")

    def noted(self) -> None:
        """Receipts whose code nobody knows, and messages that a receipt contradicts: told until a person has looked."""
        if not self._learned:
            self._learn()
        if (times_set := self._site.journal.clock_set) != self._clock_set:
            self._look_again()
            self._clock_set = times_set
        with self._site.journal.search() as records:
            unknown = records.noted([State.UNMATCHED], _NOTED)
            contradicted = records.noted([*FREES_REFERENCE, State.SENT, State.ACCEPTED], _NOTED)
        if unknown:
            why, why_en = each_of(unknown[0].hold_reason or "")
            zh = f"{len(unknown)} 份回执代码不认识，已转交，未办理：{why}"
            en = f"{many(len(unknown), 'receipt')} with an unknown code handed on and applied to nothing: {why_en}"
            do = f"tongguan quarantine list; tongguan quarantine drop {unknown[0].id}"
            self._alerts.tell("unknown-code", in_both(zh, en), do=do)
        else:
            self._alerts.over("unknown-code")
        for m in contradicted:
            why, why_en = each_of(m.hold_reason or "")
            zh, en = f"报文 {m.id}（{m.reference}）的结果与后来的回执相反：{why}", f"message {m.id} ({m.reference}) is {why_en}"
            self._alerts.tell("contradicted", in_both(zh, en), do=m.hold_do or "", about=m.id)
        self._alerts.only("contradicted", {m.id for m in contradicted})

    def _look_again(self) -> None:
        """After a start, and after the clock was set: receipts that were not believed at the time that it said are verified by what it says now."""
        self._take_back(_of_clock, State.RECEIVED, LaneKind.VERIFY)
        self._site.journal.ring()

    def _learn(self) -> None:
        """Once a site, for its profiles never change: what waits for a code that is known by now is settled, however much waits."""
        journal = self._site.journal
        with journal.search() as records:
            known = [each for each in records.codes_waited_for() if _knows(self._site, *each)]
        for type_, code in known:
            self._take_back(partial(_of_code, type_, code), State.VERIFIED, LaneKind.SETTLE)
        journal.ring()
        self._learned = True

    def _take_back(self, waiting: Callable[[Search, int], Sequence[Message]], state: State, lane: LaneKind) -> None:
        """Have receipts taken up again in a state, page by page. `waiting`: those behind a sequence number, in order."""
        journal, after = self._site.journal, 0
        while True:
            with journal.search() as records:
                page = waiting(records, after)
            if not page:
                return
            after = page[-1].sequence
            journal.finish([(back_to(message, state, Lane(lane)),) for message in page])

    def disks(self) -> None:
        """Room for the journal and for every mailbox."""
        settings = self._site.rules.settings
        short = shortages([settings.home, *(settings.mailbox(account) for account in settings.account)])
        for each in short:
            self._alerts.tell("disk", in_both(*each.said), do=each.look, about=str(each.folder))
        self._alerts.only("disk", {str(each.folder) for each in short})

    def certificates(self) -> None:
        """What cards look like, and certificates that end soon: of cards, as last seen, those that routes encrypt to and believe, and our own."""
        site = self._site
        self._cards.tell(again=True)
        for name in site.cards:
            last = site.looks.last(name)
            do = f"tongguan card list; tongguan card bind {name}"
            self._ends(
                name,
                last.state.valid_until if last and last.state else None,
                (f"卡 {name} 的证书", f"the certificate of card {name}"),
                do=do,
            )
        recipients = {(n, c) for of in (site.rules.encrypt_to, site.rules.secrets_to) for n, c in of.items()}
        named = {f"route:{name} {each.not_valid_after_utc:%Y-%m-%d}": (name, each) for name, each in recipients}
        for about, (name, each) in named.items():
            what = f"路线 {name} 加密所用的证书", f"the certificate that route {name} encrypts to"
            self._by_clock(about, each, what, ("须用它加密的报文等待", "what must be encrypted to it waits"))
        trusted = {f"receipts:{name}": (name, _best(found)) for name, found in site.rules.trust.items() if found}
        for about, (name, each) in trusted.items():
            what = f"路线 {name} 验证回执所用的证书", f"the certificate by which route {name} believes receipts"
            self._by_clock(about, each, what, ("其回执进入隔离区", "its receipts go into quarantine"))
        ours = dict(site.rules.settings.own_certificates())
        for about, path in ours.items():
            with suppress(OSError, NoCertificate):  # told by what connects with it
                each, what = (
                    certificates_in(files.read(path))[0],
                    (f"{about}（网关自己的证书）", f"our own certificate, {about},"),
                )
                self._by_clock(about, each, what, ("对方会拒绝连接", "the other side will refuse us"))
        shared = {" ".join(routes) for routes in site.rules.shared_keys.values()}
        for about in shared:
            zh = f"路线 {about} 信任同一签名密钥，均不予采信"
            en = f"one signing key is trusted on routes {about}: none of them believes it"
            self._alerts.tell("certificate", in_both(zh, en), do="tongguan config check", about=about)
        self._alerts.only("certificate", {*site.cards, *named, *trusted, *ours, *shared})

    def _by_clock(self, about: str, each: Certificate, what: tuple[str, str], then: tuple[str, str]) -> None:
        if (wrong := out_of_time(each, clock.now())) is None:
            self._ends(about, each.not_valid_after_utc, what, do="tongguan config check")
            return
        text = in_both(f"{what[0]}{wrong[0]}；{then[0]}", f"{what[1]} is {wrong[1]}; {then[1]}")
        self._alerts.tell("certificate", text, do="tongguan config check", about=about)

    def _ends(self, about: str, until: datetime | None, what: tuple[str, str], *, do: str) -> None:
        if until is not None and until - clock.now() < _EXPIRES_SOON:
            text = in_both(f"{what[0]}于 {until:%Y-%m-%d} 到期", f"{what[1]} ends {until:%Y-%m-%d}")
            self._alerts.tell("certificate", text, do=do, about=about)
        elif until is not None:
            self._alerts.over("certificate", about)


def _best(trusted: Sequence[TrustedCertificate]) -> Certificate:
    """Of those by which one route believes: one that is valid now, for as long as any."""
    now = clock.now()
    return max(trusted, key=lambda each: (each.valid_from <= now <= each.valid_until, each.valid_until)).certificate


def _knows(site: Site, type_: str, code: str) -> bool:
    """Does the profile know the code of receipts that wait for that?"""
    return type_ in site.rules.profiles and code in site.rules.profile(type_).receipts


def _of_code(type_: str, code: str, records: Search, after: int) -> Sequence[Message]:
    return records.waiting_for_code(type_, code, after, _NOTED)


def _of_clock(records: Search, after: int) -> Sequence[Message]:
    return records.waiting_for_clock(after, _NOTED)
