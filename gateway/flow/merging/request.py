"""What is wrong with a merge that is asked for, beside what its own fields and rules say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tongguan.codecs.reading.locations import Locations
from tongguan.gateway.document.changes import value_at, values_at, with_values
from tongguan.gateway.flow.merging.letting_go import INTO
from tongguan.gateway.flow.merging.selection import MergeTypes
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.checks.allowed import named
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Profile
from tongguan.gateway.system.times import china_date
from tongguan.gateway.work.moment import Moment


def named_agent(rules: Rules, profile: Profile, code: str) -> str | None:
    """The name of who declares: an account of this gateway, or one of the code table; None for a code of nobody."""
    assert profile.merge is not None
    own = (account.title for account in rules.accounts.values() if rules.code_at(account, profile) == code)
    row = rules.compiled(profile.type).tables[profile.merge.agents].rows.get(code)
    return next(own, row["zh"] if row else None)


def with_agent(rules: Rules, message: Message, content: Content) -> Content:
    """The content of a merge with the name of who declares; that of any other type as it is."""
    profile = rules.profile(message.type)
    code = value_at(content, profile.merge.agent) if profile.merge is not None else ""
    name = named_agent(rules, profile, code) if code else None
    return with_values(content, {profile.merge.agent_name: name}) if profile.merge is not None and name else content


def merge_faults(
    rules: Rules, moment: Moment, message: Message, content: Content, records: Snapshot, places: Locations
) -> list[Fault]:
    """Whoever declares must be known; what is named must be there, ready, and of the merge's kind; and the month must have begun."""
    types = MergeTypes(rules, rules.profile(message.type))
    agent = value_at(content, types.rule.agent)
    told = [_of_month(types, content, china_date(moment.business))]
    if agent and named_agent(rules, types.profile, agent) is None:
        told.append([(types.rule.agent, "GW-F70", {"agent": agent})])
    faults = [_told(types, places, path.split("/"), path, code, facts) for each in told for path, code, facts in each]
    table, _, column = types.rule.chosen.rpartition("/")
    for n, name in enumerate(values_at(content, types.rule.chosen)):
        for code, facts in _of_chosen(types, message, content, name, records):
            faults.append(_told(types, places, (table.removesuffix("[]"), n, column), types.rule.chosen, code, facts))
    return faults


def _told(
    types: MergeTypes, places: Locations, trail: Sequence[str | int], path: str, code: str, facts: Mapping[str, object]
) -> Fault:
    label = next(((f.label, f.label_en) for f in types.profile.fields if f.path == path), ("", ""))
    told = fault(code, path=places.path(tuple(trail)), label=label, **facts)
    return replace(told, line=places.line(tuple(trail)))


def _of_month(types: MergeTypes, content: Content, today: str) -> list[tuple[str, str, Mapping[str, object]]]:
    month, path = value_at(content, types.rule.month), types.rule.month
    for begins, at in ((month, path), (value_at(content, types.rule.first), types.rule.first)):
        if begins > today[: len(begins)]:
            return [(at, "GW-F74", {"month": begins})]
    across = types.across(content, month, today) if month else None
    return [(path, "GW-F75", {"zh": across.zh, "en": across.en, "month": month})] if across is not None else []


def _of_chosen(
    types: MergeTypes, message: Message, content: Content, name: str, records: Snapshot
) -> Iterator[tuple[str, Mapping[str, object]]]:
    """What is wrong with a document that is named."""
    title = types.merged.title
    said = {"zh": title.zh, "en": title.en, "name": name}
    document = named(message.account, (types.rule.merges,), name, records)
    if document is None:
        yield "GW-F71", said
        return
    if document.status != types.rule.ready:
        zh, en = types.merged.status_words(document.status)
        into = document.marks.get(INTO, "") if document.status == types.rule.merged else ""
        made = types.made.profile.title
        where = (f"（{made.zh} {into}）", f" ({made.en} {into})") if into else ("", "")
        yield "GW-F72", {**said, "status_zh": zh, "status_en": en, "into": where}
    assert types.merged.lines is not None
    for path in types.merged.lines.pool:
        if value_at(content, path) not in ("", value_at(document.content, path)):
            field = next(f for f in types.merged.fields if f.path == path)
            yield "GW-F73", {**said, "what": field.label, "what_en": field.label_en}
