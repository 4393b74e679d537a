"""The station of merges: what is meant is taken in hand, then it is planned, then what it becomes is made.

Promises: each turn is one portion, in one commit; what follows from it is found in the journal alone. So whatever ends the gateway, the
same things are made, under the same names, byte for byte. What is in hand cannot be changed; what is left out is told with its reason.
While a merge is at work no other one takes anything of the same months: it waits, and then takes what is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import orjson

from tongguan.gateway.document.changes import changed, value_at
from tongguan.gateway.document.lines import MERGE, with_keys
from tongguan.gateway.flow.intake.accept import Arrival, accept, look_into
from tongguan.gateway.flow.merging.letting_go import HOW_FAR, INTO, free, freeing, let_go, owner_of
from tongguan.gateway.flow.merging.making import WholeToMake, content_of, limits_of
from tongguan.gateway.flow.merging.months import at_work
from tongguan.gateway.flow.merging.plan import PlannedWhole, plan
from tongguan.gateway.flow.merging.result import made_name, result_of
from tongguan.gateway.flow.merging.selection import (
    Candidate,
    MergeTypes,
    candidates,
    chosen_ids,
    selected,
)
from tongguan.gateway.flow.merging.totals import Totals
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.submission.checks.powers import acting
from tongguan.gateway.journal.reading.keyed import BEGINNING, KeyedHead, KeyedPlace, KeyedWithLines
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.errors import Deferred, in_both
from tongguan.gateway.model.ids import derived_id
from tongguan.gateway.model.message import OTHER, Message, State
from tongguan.gateway.model.outcome import Body, Chain, Outcome, RelatedPart, Relation, Reservation
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.profile.profile import Text
from tongguan.gateway.system import times
from tongguan.gateway.work.loop import Step, end
from tongguan.gateway.work.moment import Moment

_TAKE, _PLAN, _MAKE, _TELL = "take", "plan", "make", "tell"  #: what a turn does
_PLANNED = 10  #: portions that one turn plans: a document is read for it without its content


def merge_step(site: Site) -> Step:
    """The station of merges."""
    return Step("merge", partial(decide_merge, site.rules), wait=site.rules.next_try)


def decide_merge(rules: Rules, moment: Moment, message: Message, _answer: None, records: Snapshot) -> Chain:
    """One portion."""
    if owner_of(message) is not None:
        return (free(MergeTypes(rules, rules.profile(message.type)), moment, message, records),)
    document = records.document(message.document_id)
    assert document is not None
    work = _Work(MergeTypes(rules, rules.profile(message.type)), moment, message, document, records)
    match work.far["turn"]:
        case "take":
            return (work.take(),)
        case "plan":
            return (work.plan(),)
        case "make":
            return (work.make(),)
        case _:
            return (work.tell(),)


def _beginning() -> dict[str, Any]:
    return {"turn": _TAKE, "month": 0, "after": None, "taken": 0, "left": 0, "told": 0, "planned": 0, "portion": 0, "made": 0}


@record
class _Work:
    """One merge in hand."""

    types: MergeTypes
    moment: Moment
    message: Message
    document: Document
    records: Snapshot

    @property
    def far(self) -> dict[str, Any]:
        """How far it is."""
        return dict((self.message.extra or {}).get(HOW_FAR) or _beginning())

    def _on(self, far: Mapping[str, Any], **more: Any) -> Outcome:
        """The outcome of a portion: the next one is due at once."""
        extra = {**(self.message.extra or {}), HOW_FAR: dict(far)}
        now = self.moment.now
        moved = replace(self.message, extra=extra, due_at=now, waiting_for=None, waits_on=None, updated_at=now)
        return replace(Outcome(moved, self.message.state, "merge"), **more)

    # What is meant is taken in hand

    def take(self) -> Outcome:
        far, types, content = self.far, self.types, self.document.content
        fresh = self.document.status != types.rule.working
        other = at_work(types, self.message, content, self.records) if fresh else None
        if other is not None:  # two that take by turns would make two of what could be one
            why = in_both(f"等待 {other.key} 结束", f"{other.key} is at work on the same")
            raise Deferred(OTHER, why=why, marks={"waits_on": other.id})
        chosen = chosen_ids(types, content, self.message.account, self.records)
        selection = selected(types, content, self.message.account, self.records, chosen=chosen)
        if far["month"] >= len(selection.months):
            return self._on({**far, "turn": _PLAN if far["taken"] else _TELL})
        found, after = candidates(
            types,
            selection,
            content,
            self.records,
            month=selection.months[far["month"]],
            after=_place(far["after"]),
            today=times.china_date(self.moment.business),
        )
        good = [each for each in found if each.why is None]
        taken = [self._in_hand(d) for d in self.records.documents(each.head.id for each in good).values()]
        left, kept = self._left(far, ((each, each.why) for each in found if each.why is not None))
        far |= {"taken": far["taken"] + len(taken), "left": far["left"] + left, "told": far["told"] + len(kept)}
        far |= {"after": _kept(after)} if after else {"after": None, "month": far["month"] + 1}
        begun = (changed(self.document, self.moment.business, status=types.rule.working),) if fresh else ()
        reserve = tuple(Reservation(kind, d.id, self.document.id) for d in taken for kind in types.fences)
        return self._on(far, documents=(*begun, *taken), reserve=reserve, bodies=kept)

    def _in_hand(self, document: Document) -> Document:
        rule = self.types.rule
        marks = {**document.marks, MERGE: self.document.id}
        return self._moved(document, status=rule.taken, rank=rule.rank, marks=marks)

    def _moved(self, document: Document, **changes: Any) -> Document:
        return with_keys(self.types.merged, document, changed(document, self.moment.business, **changes))

    def _left(self, far: Mapping[str, Any], left: Iterable[tuple[Candidate, Text | None]]) -> tuple[int, tuple[Body, ...]]:
        """How many are left out, and a body that tells which and why."""
        rows = [[e.head.id, e.head.number, e.head.day, e.status, why.zh, why.en] for e, why in left if why is not None]
        kept = (Body(self.message.id, f"left:{far['told']}", orjson.dumps(rows)),) if rows else ()
        return len(rows), kept

    # What is in hand is planned, in portions that are made one after the other

    def plan(self) -> Outcome:
        """What becomes of the next documents, as far as their keys: nothing is made of documents of two keys."""
        far = self.far
        before, planned, heads = Totals(self.types, far.get("before")), far["planned"], list[KeyedHead]()
        portions: list[list[dict[str, Any]]] = []
        room = most = self.types.rule.portion
        wholes = far.get("wholes", 0)
        for whole in self._wholes(before, heads, _place(far["after"])):
            wholes += 1
            if not portions or len(whole.parts) > room:
                portions.append([])
                room = most
            portions[-1].append(_as_kept(wholes, whole, before.named))
            room -= len(whole.parts)
        bodies = tuple(Body(self.message.id, f"plan:{planned + n}", orjson.dumps(each)) for n, each in enumerate(portions))
        far |= {
            "planned": planned + len(portions),
            "wholes": wholes,
            "before": before.shown(),
            "whose": far.get("whose") or self._whose(),
        }
        far |= {"after": _kept(heads[-1].place)} if heads else {"after": None, "turn": _MAKE}
        return self._on(far, bodies=bodies)

    def _wholes(self, before: Totals, heads: list[KeyedHead], after: KeyedPlace) -> Iterator[PlannedWhole]:
        types, most = self.types, self.types.rule.portion * _PLANNED

        def apart(head: KeyedHead) -> str:
            return f"{head.day[:7]}/{types.rates_at(head.rates) or ''}"

        def documents() -> Iterator[KeyedWithLines]:
            for one in self.records.keyed_in_hand(self.document.id, after=after):
                if len(heads) >= most and one.head.key != heads[-1].key:
                    return
                heads.append(one.head)
                yield before.passes(one)

        return plan(documents(), limits_of(types), apart=apart)

    # What was planned is made

    def make(self) -> Outcome:
        far = self.far
        wholes = orjson.loads(self.records.body(self.message.id, f"plan:{far['portion']}") or b"[]")
        if far.get("whole") or (len(wholes) == 1 and len(wholes[0]["parts"]) > self.types.rule.portion):
            large = self._part_of_large(far, wholes[0])
            if large is not None:
                return large
        documents = self.records.documents(id_ for whole in wholes for id_, *_ in whole["parts"])
        after = Totals(self.types, far.get("after_sums"))
        made, back = list[Outcome](), list[tuple[Document, Text]]()
        for whole in wholes:
            parts = [documents[id_] for id_, *_ in whole["parts"]]
            outcome = self._whole(whole, parts, after)
            made += [outcome] if isinstance(outcome, Outcome) else []
            back += [(each, outcome) for each in parts] if isinstance(outcome, Text) else []
        left, kept = self._left(far, [(self._as_candidate(document), why) for document, why in back])
        far |= {"portion": far["portion"] + 1, "made": far["made"] + len(made), "after_sums": after.shown()}
        far |= {"taken": far["taken"] - left, "left": far["left"] + left, "told": far["told"] + len(kept)}
        if far["portion"] >= far["planned"]:
            far["turn"] = _TELL
        every = {name: tuple(one for o in made for one in getattr(o, name)) for name in _PARTS}
        every["release"] += tuple(each for document, _ in back for each in self._held(document))
        every["documents"] += tuple(self._moved(d, **let_go(self.types.merged, self.types.rule, d)) for d, _ in back)
        return self._on(far, bodies=kept, **every)

    def _part_of_large(self, far: dict[str, Any], whole: Mapping[str, Any]) -> Outcome | None:
        """The next portion of what goes into a whole that has more parts than one commit takes: the last one brings its message.

        None where it cannot be made, which is seen before anything has gone into it. What it says is kept from the first portion on: all
        its parts are read for that, and once.
        """
        ids, done, most = [id_ for id_, *_ in whole["parts"]], far.get("part", 0), self.types.rule.portion
        first, last = not done, done + most >= len(ids)
        portion = self.records.documents(ids[done : done + most])
        made, after, role = None, Totals(self.types, far.get("after_sums")), f"made:{far['portion']}"
        content = self._content(whole, self._parts(whole)) if first else None
        if last and not first:
            content = orjson.loads(self.records.body(self.message.id, role) or b"")
        if content is not None:
            made = self._made(whole, content, after)
        if isinstance(made, Text):
            return None if first else self._let_go_of_large(far, whole, portion, made)
        into, id_ = far.get("into", ""), far.get("whole", "")
        if first and made is not None:
            into, id_ = str(made.message.reference), str(made.message.document_id)
        far |= {"part": done + len(portion), "whole": id_, "into": into}
        if last:
            far |= {"part": 0, "whole": "", "into": "", "portion": far["portion"] + 1, "made": far["made"] + 1}
            far |= {"after_sums": after.shown(), "turn": _TELL if far["portion"] >= far["planned"] else _MAKE}
        return self._on(
            far,
            documents=tuple(self._into(document, into) for document in portion.values()),
            release=tuple(each for document in portion.values() for each in self._held(document)),
            reserve=tuple(Reservation(self.types.held_by, document.id, id_) for document in portion.values()),
            relations=(_relation(id_, whole),) if first else (),
            bodies=(Body(self.message.id, role, orjson.dumps(content)),) if first else (),
            follow_ons=(made,) if last and made is not None else (),
        )

    def _let_go_of_large(
        self, far: dict[str, Any], whole: Mapping[str, Any], portion: Mapping[str, Document], why: Text
    ) -> Outcome:
        """What went into it already is freed by a message, and the rest here."""
        held, rule = {each.value for each in self.records.reservations_of(far["whole"])}, self.types.rule
        back = [document for document in portion.values() if document.id not in held]
        parts = self.records.standing_of(id_ for id_, *_ in whole["parts"])
        rows = [
            (Candidate(KeyedHead(b"", d.day, d.number, d.id, "", None, 0, (), ()), 0, rule.ready, None), why)
            for d in parts.values()
        ]
        left, kept = self._left(far, rows)
        gone = Outcome(self.message, self.message.state, "merge", release=self.records.reservations_of(far["whole"]))
        freed = freeing(self.types.rules.types, gone, self.records, at=self.moment.business)
        far |= {"part": 0, "whole": "", "into": "", "portion": far["portion"] + 1, "told": far["told"] + len(kept)}
        far |= {"taken": far["taken"] - left, "left": far["left"] + left}
        far["turn"] = _TELL if far["portion"] >= far["planned"] else _MAKE
        return self._on(
            far,
            bodies=kept,
            documents=(*freed.documents, *(self._moved(d, **let_go(self.types.merged, rule, d)) for d in back)),
            release=(*freed.release, *(each for document in back for each in self._held(document))),
            relations=freed.relations,
            follow_ons=freed.follow_ons,
        )

    def _into(self, document: Document, reference: str) -> Document:
        return self._moved(document, status=self.types.rule.merged, marks=_went_into(document, reference))

    def _parts(self, whole: Mapping[str, Any]) -> list[Document]:
        ids = [id_ for id_, *_ in whole["parts"]]
        documents = self.records.documents(ids)
        return [documents[id_] for id_ in ids]

    def _held(self, document: Document) -> tuple[Reservation, ...]:
        return tuple(Reservation(kind, document.id, self.document.id) for kind in self.types.fences)

    def _as_candidate(self, document: Document) -> Candidate:
        """One that is let go: it is ready again."""
        number, day = document.numbers.get(self.types.merged.own_number, document.key), self.types.day_of(document.content)
        return Candidate(
            KeyedHead(b"", day, number, document.id, "", None, 0, (), ()), document.version, self.types.rule.ready, None
        )

    def _whole(self, kept: Mapping[str, Any], documents: list[Document], after: Totals) -> Outcome | Text:
        """The message that makes one whole, with its documents, merged; or why it cannot be made."""
        made = self._made(kept, self._content(kept, documents), after)
        if isinstance(made, Text):
            return made
        id_, reference = str(made.message.document_id), str(made.message.reference)
        return Outcome(
            self.message,
            self.message.state,
            "merge",
            documents=tuple(self._into(document, reference) for document in documents),
            release=tuple(each for document in documents for each in self._held(document)),
            reserve=tuple(Reservation(self.types.held_by, document.id, id_) for document in documents),
            relations=(_relation(id_, kept),),
            follow_ons=(made,),
        )

    def _made(self, kept: Mapping[str, Any], content: Content, after: Totals) -> Outcome | Text:
        """The message that makes one whole; or why it cannot be made."""
        if not kept["fits"]:
            title = self.types.made.profile.title
            return Text(
                f"其行数或数值超出一份{title.zh}", f"it alone has more lines, or a larger sum, than one takes ({title.en})"
            )
        whose = str(self.far["whose"])
        made = self._message(made_name(self.message, self.document, whose, kept["number"]), kept["name"], content, whose)
        if made.message.document_id is None or made.message.state is not State.RECEIVED:
            faults = made.message.faults
            return Text("；".join(f.zh for f in faults), "; ".join(f.en for f in faults))
        after.add(content)
        return made

    def _content(self, kept: Mapping[str, Any], documents: list[Document]) -> Content:
        rule, content = self.types.rule, self.document.content
        agent = value_at(content, rule.agent), value_at(content, rule.agent_name)
        lines = tuple((at, row, tuple(sums)) for at, row, sums in kept["lines"])
        return content_of(self.types, content, WholeToMake(tuple(documents), lines, tuple(kept["sums"]), agent))

    @property
    def _operation(self) -> str:
        """By which what is made comes to be: with the account's own card also declared at once, where the settings want that."""
        rule, schedule = self.types.rule, self.types.rules.settings.schedule
        own = not value_at(self.document.content, rule.agent)
        return rule.declares if rule.declares and own and schedule.declare_merged == "auto" else rule.operation

    def _message(self, reference: str, name: str, content: Content, whose: str) -> Outcome:
        rule, own = self.types.rule, self.message
        frame = {"type": rule.makes, "operation": self._operation, "reference": reference, "document": reference}
        raw = orjson.dumps({**frame, "body": content}, option=orjson.OPT_SORT_KEYS)
        id_, digest = derived_id("merged", own.id, name), hashlib.sha256(raw).hexdigest()
        came = Arrival(id_, whose, f"{reference}.json", raw, digest, self.moment.now)
        return accept(self.types.rules, look_into(self.types.rules, came), self.records)

    def _whose(self) -> str:
        """Whose what it makes is: that account's here which declares for this one, where there is one."""
        rules, code = self.types.rules, value_at(self.document.content, self.types.rule.agent)
        own, day = rules.account(self.message.account), times.china_date(self.moment.business)
        agent = acting(rules, rules.profile(self.types.rule.makes), code, own, day)
        return agent.name if agent is not None else own.name

    # What came of it is told

    def tell(self) -> Outcome:
        far, rule = self.far, self.types.rule
        status = rule.partly if far["left"] else rule.made if far["made"] else rule.none
        done = changed(self.document, self.moment.business, status=status)
        outcome = end(self.message, State.ACCEPTED, "merge", self.moment.now, deadline_at=None)
        return replace(outcome, documents=(done,), answers=result_of(self.types, self.moment, self.message, done, self.records))


_PARTS = ("documents", "reserve", "release", "relations", "follow_ons")


def _kept(place: KeyedPlace) -> list[str]:
    return [place[0].hex(), *place[1:]]


def _place(kept: list[str] | None) -> KeyedPlace:
    return (bytes.fromhex(kept[0]), kept[1], kept[2], kept[3]) if kept else BEGINNING


def _relation(id_: str, kept: Mapping[str, Any]) -> Relation:
    """Which documents a planned whole has, and where their lines went."""
    places = zip(kept["parts"], kept["places"], strict=True)
    return Relation(id_, tuple(RelatedPart(part[0], bytes.fromhex(place)) for part, place in places))


def _went_into(document: Document, reference: str) -> dict[str, str]:
    return {name: mark for name, mark in document.marks.items() if name != MERGE} | {INTO: reference}


def _as_kept(number: int, whole: PlannedWhole, named: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """A planned whole as its body says it: lines by the place of their first document among the parts."""
    at = {part.id: n for n, part in enumerate(whole.parts)}
    return {
        "number": number,
        "name": whole.name,
        "fits": whole.fits,
        "parts": [(part.id, *named[part.id]) for part in whole.parts],
        "places": [part.places.hex() for part in whole.parts],
        "lines": [[at[line.first_id], line.first_line, list(line.sums)] for line in whole.lines],
        "sums": list(whole.sums),
    }
