"""Queries: answered from the journal or a code table here, or put to the authority by `ask`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.reading.item import Item
from tongguan.gateway.flow.intake.accept import Carried
from tongguan.gateway.flow.local.stop import named_by
from tongguan.gateway.flow.merging.result import offer
from tongguan.gateway.flow.merging.selection import MergeTypes
from tongguan.gateway.flow.query.answers.details import ATTACHMENTS, RECEIPTS, details, file_of
from tongguan.gateway.flow.query.answers.document_rows import document_rows
from tongguan.gateway.flow.query.answers.lists import documents, orders, table_rows
from tongguan.gateway.flow.query.answers.operation_log import operation_log
from tongguan.gateway.flow.query.answers.relation import relation
from tongguan.gateway.flow.query.answers.statistics import STATISTICS, statistics
from tongguan.gateway.flow.query.filters import asks_authority, filter_faults, value_faults, with_periods
from tongguan.gateway.flow.query.results import Found, answer, page_of
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.checks.allowed import no_card, to_the_card
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import Fault, Refused
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import QUERY, Message, State
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Profile, Query
from tongguan.gateway.profile.sections.queries import LOG, OFFER, RELATION, ROWS
from tongguan.gateway.system import times
from tongguan.gateway.work.loop import end
from tongguan.gateway.work.moment import Moment


def decide(rules: Rules, moment: Moment, message: Message, hand: Carried, records: Snapshot, *, present: bool = False) -> Outcome:
    """The result at once, or on its way to the authority; raises Refused for filters that do not exist.

    Where a type's questions want the card in its reader, one whose card is not `present` goes to look; what the card signs finds out then.
    """
    profile = rules.profile(message.type)
    _card_bound(rules, message, profile)
    today = times.china_date(moment.business)
    if faults := query_faults(rules.compiled(message.type), hand.item, today):
        raise Refused(faults)
    query = profile.queries[message.query_kind or ""]
    filters = with_periods(query, {**query.defaults, **hand.item.filters()}, today)
    asks = asks_authority(query, filters)
    operation = profile.operations.get(QUERY)
    if operation is not None and operation.card_present and not present and not (asks and query.signed):
        return to_the_card(rules, moment, message, operation)
    if asks:
        return _asking(rules, moment, message, query)
    if query.ask == ATTACHMENTS and filters.get("name"):
        found_file = file_of(message, filters["name"], records)
        return replace(end(message, State.ACCEPTED, "query", moment.now, deadline_at=None), answers=found_file)
    found = _found(rules, message, query, filters, records, today=times.china_date(moment.business))
    return answer(rules, message, (query, filters), found, moment)


def query_faults(compiled: Compiled, item: Item, today: str) -> list[Fault]:
    """What cannot be asked so, on this day."""
    profile = compiled.profile
    query = profile.queries.get(item.kind or "")
    if query is None:
        return [fault("GW-F08", kind=item.kind, known=" ".join(profile.queries), path="@kind", label="kind")]
    filters = with_periods(query, {**query.defaults, **item.filters()}, today)
    faults = [fault("GW-F33", name=name, path=name, label=name) for name in item.repeated()]
    faults += filter_faults(query, filters, _sorts(query, filters))
    return faults if asks_authority(query, filters) else [*faults, *value_faults(compiled, query, filters)]


def _found(rules: Rules, message: Message, query: Query, filters: Mapping[str, str], records: Snapshot, *, today: str) -> Found:
    """What is known here."""
    if _of_messages(query):
        return page_of(_messages(message, query, filters, records), filters)
    if query.source == "table":
        return table_rows(rules.compiled(message.type).tables[query.table], query, filters)
    if query.ask == OFFER:
        return offer(MergeTypes(rules, rules.profile(message.type)), message, query, filters, records, today)
    if query.ask == ROWS:
        return document_rows(rules, message, query, filters, records, today=today)
    if query.ask == LOG:
        return operation_log(rules, message, query, filters, records, today=today)
    if query.ask == RELATION:
        return relation(rules, message, query, filters, records)
    if query.ask == STATISTICS:
        return statistics(rules, message, query, filters, records)
    if query.ask in (RECEIPTS, ATTACHMENTS):
        return page_of(details(rules, message, query, records), filters)
    profile = rules.profile(message.type)
    account = rules.account(message.account)
    code, language = rules.code_at(account, profile), rules.language(account)
    return documents(message, rules.compiled(message.type), query, filters, records, today=today, code=code, language=language)


def _card_bound(rules: Rules, message: Message, profile: Profile) -> None:
    operation = profile.operations.get(QUERY)
    if operation is None or not operation.card_bound:
        return
    account = rules.account(message.account)
    if rules.card_for(account, profile, operation) is None:
        raise Refused([no_card(rules, account, profile, operation)])


def _sorts(query: Query, filters: Mapping[str, str]) -> Collection[str]:
    """What the answer can be sorted by."""
    if asks_authority(query, filters):
        return [c.name for c in query.columns if c.row and not c.columns]
    if _of_messages(query) or query.source == "table" or query.ask in (RECEIPTS, ATTACHMENTS, STATISTICS, OFFER, LOG, ROWS):
        return [c.name for c in query.columns if not c.columns]
    if query.ask == RELATION:
        return ()
    return orders(query)


def _asking(rules: Rules, moment: Moment, message: Message, query: Query) -> Outcome:
    """checked, in the lane of the authority that knows."""
    route = query.route or rules.route_of(rules.profile(message.type))
    if query.route and not getattr(rules.account(message.account), query.account_code):
        raise Refused([fault("GW-F31", account=message.account, setting=query.account_code, path="@kind", label="kind")])
    if route not in rules.settings.route:
        raise Refused([fault("GW-F32", route=route, path="@kind", label="kind")])
    lane, now = Lane(LaneKind.ASK, route), moment.now
    profile = rules.profile(message.type)
    if query.signed:
        card = rules.card_for(rules.account(message.account), profile, profile.operations[QUERY])
        if card is None:
            raise Refused([no_card(rules, rules.account(message.account), profile, profile.operations[QUERY])])
        lane = Lane(LaneKind.CARD, card.name)
    moved = replace(message, state=State.CHECKED, lane=lane, due_at=now, updated_at=now, waiting_for=moment.shut(lane))
    moved = replace(moved, route=route, asks=query.ask or query.kind)
    return Outcome(moved, message.state, "check")


def _of_messages(query: Query) -> bool:
    return any(column.of.startswith("message.") for column in query.columns)


def _messages(message: Message, query: Query, filters: Mapping[str, str], records: Snapshot) -> list[dict[str, str]]:
    """The messages of the account with a reference or id."""
    wanted = filters.get("MessageId") or filters.get("Reference") or ""
    found = [m for m in records.find(wanted, message.account) if m.id != message.id]
    if not found:
        raise Refused([fault("GW-F12", **named_by(filters))])
    return [{c.name: _of_message(m, c.of.removeprefix("message.")) for c in query.columns} for m in found]


def _of_message(message: Message, name: str) -> str:
    value = getattr(message, name)
    return (times.show(value) or "") if name.endswith("_at") else str(value or "")
