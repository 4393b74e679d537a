"""A document type as frozen data. Read from its folder by `load_profiles`; every fact of an authority lives there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

#: the words of requirements.md that an enterprise may ask for
OPERATIONS = (
    "save", "check", "declare", "withdraw", "amend", "cancel", "delete", "copy", "extend", "merge", "stop", "confirm",
    "attach", "detach", "fetch", "print", "export", "query", "insert", "remove",
)  # fmt: skip
MOST_PARTS = 100  #: documents that the rows of one message may become
COPY = "copy"  #: the desk step that makes new documents of one
#: the desk steps that there are (gateway/flow/local), and what is done beside them; `tests/unit/flow/test_desks.py` holds both together
DESKS = (
    "attach", "collect", "complete", "confirm", "copy", "delete", "detach", "file", "insert", "keep", "merge", "remove", "save", "stop", "print",
    "query", "message",
)  # fmt: skip
#: what every query may be asked with
PAGING = ("page", "size", "sort", "format", "source")


@dataclass(frozen=True, slots=True)
class Text:
    zh: str
    en: str

    def __getitem__(self, language: str) -> str:
        return self.en if language == "en" else self.zh


NOTHING = Text("", "")


@dataclass(frozen=True, slots=True)
class Field:
    """A row of fields.csv. A table is a path ending in `[]`; its columns' paths begin with it (`Goods[]/CodeTS`)."""

    path: str
    name: str  #: last element of the path
    label: str  #: Chinese label
    label_en: str
    type: str  #: text | code | number | date | datetime | flag | secret | group | table
    length: int  #: most characters; digits for a number
    precision: int  #: decimals of a number
    least: str  #: smallest value, least characters, or fewest rows
    most: str  #: largest value or most rows
    pattern: str
    occurs: str  #: 0..1, 1, 0..n, 1..4: rows of a table
    code_table: str
    unit: str
    required_at: frozenset[str]  #: operations
    changeable_by: frozenset[str]  #: operations; empty: any that carries a body
    fill: str  #: how the system sets it (codecs/checking/filling/fills.py); empty: the sender does
    find: str  #: name of the indexed fact kept of it; empty: none
    line: str  #: of a table: its rows are kept as lines (`LinesRule`)
    key: str  #: it is part of a key by which documents, or lines, are merged
    sum: str  #: it is added up when they are
    sign_order: str
    source: str  #: paragraph of the manual
    place: str = ""  #: file and line, for messages about the profile itself


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    at: frozenset[str]
    when: tuple[Mapping[str, Any], ...]
    check: str  #: a named check of codecs/checking/named_checks.py
    path: str  #: the field it speaks of
    with_: Mapping[str, Any]  #: the check's own arguments
    says: Text
    from_: str
    severity: str = "error"
    place: str = ""  #: file and line, for messages about the profile itself


@dataclass(frozen=True, slots=True)
class Status:
    name: str
    code: str
    text: Text
    list_text: Text  #: where lists show another word for the same code
    statistics_text: Text = NOTHING  #: and where statistics do


@dataclass(frozen=True, slots=True)
class NamedRows:
    """Rows of the document's table that a message names by their numbers: `1,3-5`."""

    rows: str  #: the element of the body that names them
    table: str
    key: str = ""  #: the column that holds a row's number; empty: its place in the table
    field: str = ""  #: the flag that they are marked with


@dataclass(frozen=True, slots=True)
class PickedRows:
    """Rows of which an operation gets files: all, or those that its message names; they must be ready."""

    named: str  #: the element of the body that names them, with commas; empty: all
    table: str
    key: str  #: the column by which a row is named, here and in the authority's answer
    field: str  #: the column of its state
    among: frozenset[str]  #: the states in which it is ready
    says: Text  #: that some are not ready, `{numbers}`: the rest is got by an operation with `rest`
    rest: bool = False  #: those that are not ready are left out
    until: str = ""  #: path of the date up to which files are kept; a column of this name tells it of a row
    shows: tuple[str, ...] = ()  #: columns that the list of the files has besides


@dataclass(frozen=True, slots=True)
class ListedRows:
    """Rows that are only numbers: they may be listed in an element, with commas, or in the files that come with the message."""

    table: str
    column: str
    field: str  #: the element that lists them, and has all of them afterwards
    pattern: str  #: what a number looks like
    says: Text


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    way: str  #: desk | message (POST /v1/messages) | query (POST /v1/queries)
    desk: str = ""  #: the desk step (gateway/flow/local) that does it, or that uses the query's answer
    route: str = ""  #: authority it goes to
    ask: str = ""  #: query kind put to the route
    asks_first: str = ""  #: the operation whose question is put first, where what is kept of its answer is not there
    may_go_unanswered: bool = False  #: it goes on where nobody answers what it asks first
    while_same: tuple[
        str, ...
    ] = ()  #: what is kept of the answer holds as long as these paths say the same; none: for one content only
    signed: bool = False
    card_bound: bool = False  #: the account must have a card of this authority bound
    card_present: bool = False  #: and it must be in place
    roles: tuple[str, ...] = ()  #: card roles that may sign; empty: any
    card_says: Text = NOTHING  #: in what words it is told that the account's card is none of these, or another enterprise's
    body: str = "none"  #: whole | optional | none: does the message carry the document
    allowed: frozenset[str] = frozenset()  #: statuses; "" stands for: no document yet
    between: str = ""  #: in-between status while it is on its way
    waiting: str = ""  #: and while it waits for another document
    to: str = ""  #: status when a desk operation is done
    to_another: str = ""  #: the same where another enterprise must sign (`signer`)
    opens_round: bool = False
    waits: bool = True  #: does it wait for earlier messages of its document (a withdraw or a query never does)
    give_up: timedelta = timedelta(days=3)  #: unsent after that: held
    answer_within: timedelta = timedelta(days=30)  #: unanswered after that: alert and ask
    give_numbers: tuple[str, ...] = ()  #: number kinds given by the gateway when the document has none
    #: what only one document may have at a time: the value of a path, those of several (`A+B`), or `@<need>`, what a need found
    reserve: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)  #: the desk step's own settings
    signed_when: tuple[Mapping[str, Any], ...] = ()  #: the card and its signature are wanted only when all hold
    warns_of: str = ""  #: a later operation: what that will want besides is told as warnings
    pending: bool = False  #: the new content waits beside the present one until a receipt agrees to it
    #: of a round that it opens: receipt code to the status that it brings there
    brings: Mapping[str, str] = field(default_factory=dict)
    adds: str = ""  #: table: the body's rows come to those that are there, and nothing else of the document changes
    removes: NamedRows | None = None  #: rows that go
    marks: NamedRows | None = None  #: rows whose flag is set
    splits: str = ""  #: table: more rows than it takes become further documents
    fetches: str = ""  #: table: the rows of the authority's answer become its rows
    picks: PickedRows | None = None  #: rows of which the authority's answer has files
    listed: ListedRows | None = None  #: rows that a message may list by their numbers
    takes_along: tuple[str, ...] = ()  #: types of documents that name this one: they are deleted with it

    def given_up_at(self, since: int) -> int | None:
        """Until when a message that began at this moment may stay unsent, in milliseconds; None: for ever."""
        return since + round(self.give_up.total_seconds() * 1000) if self.give_up else None

    @property
    def keep(self) -> Mapping[str, str]:
        """What the document keeps of an authority's answer: path to element of the answer."""
        kept: Mapping[str, str] = self.options.get("keep", {})
        return kept

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements of the body that belong to the operation, and not to the document."""
        listed, single = self.options.get("elements", ()), (self.options.get(key, "") for key in ("field", "before"))
        named = [rows.rows for rows in (self.removes, self.marks) if rows is not None]
        named += [self.picks.named] if self.picks is not None else []
        elements = (*(listed if isinstance(listed, list) else ()), *single, *named)
        return tuple(dict.fromkeys(name for name in elements if isinstance(name, str) and name))


TAKEN, NOT_TAKEN = "0", "1"  #: codes of a technical receipt
ANSWERED, NOT_ANSWERED = "Q0", "Q1"  #: codes of the answer to a question
#: codes that mean the same for every type, with the kind of receipt they are in; no profile may give them another meaning
KIND_OF = {TAKEN: "technical", NOT_TAKEN: "technical", ANSWERED: "business", NOT_ANSWERED: "business"}
RESERVED = frozenset(KIND_OF)


OWN = "@account"  #: among the values of `Query.only`: the account's own code at the authority
ISSUED_DATE = "@issued_date"  #: a receipt's own day in China


@dataclass(frozen=True, slots=True)
class ReceiptRows:
    """What a receipt tells of rows: its `<Content>` has an element of the table's name for each row of which it speaks."""

    table: str  #: of the top of the document
    key: str  #: the column, and the element, by which a row is known
    at: str  #: the column for when the row was told: of two receipts the later issued one holds
    sets: Mapping[str, str]  #: column to the leaf in the row's element that tells it, or to ISSUED_DATE

    @property
    def element(self) -> str:
        return self.table.removesuffix("[]")


@dataclass(frozen=True, slots=True)
class ReceiptRule:
    code: str
    text: Text
    status: str = ""  #: document status it brings; empty: none
    rank: int = 0
    ends: str = ""  #: accepted | rejected: how the submission it answers ends; empty: not yet
    marks: Mapping[str, str] = field(default_factory=dict)
    releases: bool = False  #: frees what the document has reserved
    answers: str = ""  #: the operation whose messages it answers; empty: any
    by: tuple[str, ...] = ()  #: the authorities that may say it; empty: the type's own
    pending: str = ""  #: applies | drops: what becomes of the content that awaits agreement, in the round that made it
    sets: Mapping[str, str] = field(default_factory=dict)  #: field path to the leaf of <Content> that tells it, or to ISSUED_DATE
    rows: ReceiptRows | None = None  #: what it tells of rows of a table
    changes: bool = False  #: it carries out what the document says of another one (`Changes`)


@dataclass(frozen=True, slots=True)
class NumberRule:
    kind: str
    label: Text
    pattern: str
    field: str = ""  #: path that is filled with it
    given: str = ""  #: pattern of numbers that the gateway gives: "NA{yy}{serial:014d}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a query: `of` is status | mark.<m> | number.<kind> | field path | time.created | time.declared | key.

    Of what an authority answers in rows it is row.<Element>, and row.<Element>[] with columns of its own for rows inside a row;
    of a code table it is table.<column>.
    """

    name: str
    label: Text
    of: str
    columns: tuple[Column, ...] = ()
    row: str = ""  #: the element of an authority's row that says it (of row.X and table.X: X); empty: none does
    words: Mapping[str, Text] = field(default_factory=dict)  #: what an authority writes to what readers are told


@dataclass(frozen=True, slots=True)
class Query:
    kind: str
    source: str  #: journal | authority | table
    ask: str
    filters: Mapping[str, str]  #: filter name to `of`, as in Column
    columns: tuple[Column, ...]
    required: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)  #: filter to its value where the question does not name it
    all_words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: filter to the words by which it lets all through
    most_days: int = 0  #: longest range of its date filter
    most_months: int = 0  #: the same in months of the calendar
    several: Mapping[str, str] = field(
        default_factory=dict
    )  #: filter that takes several values with commas, to what one looks like
    route: str = ""  #: the authority that is asked, when it is not the profile's own
    account_code: str = ""  #: which of the account's codes names it there: mofcom_code | customs_code | uscc
    table: str = ""  #: the code table that answers
    note: Text = NOTHING  #: said with the result
    only: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  #: what the journal shows: `of` to its allowed values, or OWN
    quantities: Mapping[str, str] = field(default_factory=dict)  #: fact of a licence (licence, approved, remaining …) to column
    signed: bool = False  #: the card signs the question to the authority
    units: Mapping[str, str] = field(default_factory=dict)  #: the names by which it tells units, to their codes

    @property
    def in_rows(self) -> bool:
        """Does the authority answer it with a table?"""
        return any(column.row for column in self.columns)


@dataclass(frozen=True, slots=True)
class AttachmentRule:
    types: tuple[str, ...] = ()  #: media types by content; empty: none allowed
    most_bytes: int = 0
    most_bytes_a_page: int = 0
    most_files: int = 0
    categories: str = ""  #: code table
    category_names: Mapping[str, Text] = field(default_factory=dict)  #: the codes of that table, and what they are called
    one_of: tuple[str, ...] = ()  #: one of these categories must be there at the operations of `required_at`
    required_at: frozenset[str] = frozenset()
    one_a_category: bool = False
    when: tuple[Mapping[str, Any], ...] = ()  #: attachments are allowed only when all hold
    says: Text = NOTHING  #: what is to be done where they do not


@dataclass(frozen=True, slots=True)
class Certificate:
    """A paper that an approval ends in, and the codes under which a declaration cites it (case matters)."""

    text: Text
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Need:
    """Another document that the account must have: at these operations, where all conditions hold.

    With `names` or `reserved` it is one certain document; without, any of the type.
    """

    name: str
    type: str
    status: frozenset[str]  #: of that other type
    at: frozenset[str]
    when: tuple[Mapping[str, Any], ...]
    says: Text
    names: str = ""  #: path whose value is one of the other one's numbers, or its key
    each: str = ""  #: a table's column: each of its values names one more, in the same way
    number: str = ""  #: what stands at `names` becomes this number of the other one, where that has it
    reserved: str = ""  #: or: paths joined by `+`; the other one has reserved their values
    same: tuple[str, ...] = ()  #: paths whose values must be equal in both
    wait: frozenset[str] = frozenset()  #: statuses of the other one in which the message waits
    until: str = ""  #: path of a date in the other one, after which it counts as not there
    place: str = ""  #: file and line, for messages about the profile itself

    @property
    def certain(self) -> bool:
        """Does it name one document?"""
        return bool(self.names or self.reserved)


@dataclass(frozen=True, slots=True)
class FiledSource:
    """Another document of the account that fields are filled from (`filed:<name>.<column>`): its head, or a row of its table."""

    name: str
    types: tuple[str, ...]  #: it is of one of these
    names: str  #: path whose value is one of its numbers, or its key
    table: str = ""  #: of the other type; empty: its head
    key: Mapping[str, str] = field(default_factory=dict)  #: path beside the filled field to the column there that has its value
    unless: str = ""  #: flag in the row: it counts as stopped
    place: str = ""  #: file and line, for messages about the profile itself


@dataclass(frozen=True, slots=True)
class Changes:
    """How a document changes another one, or cancels it, once a receipt that `changes` agrees.

    `place`, `label`, `old` and `new` are columns of `table`; what the system fills has the fill `changes`.
    """

    need: str  #: the need that finds the other document
    table: str
    place: str  #: `GrossWet`, or `DecList[3]/GQty`, counted from 1
    label: str  #: filled
    old: str  #: filled, and held against what the sender says
    new: str
    version: str = ""  #: path that is filled with the other document's version; empty: none
    never: frozenset[str] = frozenset()  #: paths of the other one that may not be changed
    cancels: tuple[Mapping[str, Any], ...] = ()  #: it is cancelled, not changed, when all hold; empty: never
    cancelled: str = ""  #: the status of the other one that cancelling brings
    rank: int = 0  #: and its rank


@dataclass(frozen=True, slots=True)
class TakeRule:
    """What a document takes of the licence that it cites, with the messages of these operations: the quantity of each row."""

    licence: str  #: path of the licence's number, from the top
    commodity: str  #: paths within a row
    unit: str
    quantity: str
    at: frozenset[str]
    table: str = ""  #: empty: the document is the one row

    def path_of(self, in_row: str) -> str:
        """The path from the top of one within a row."""
        return f"{self.table}/{in_row}" if self.table else in_row


@dataclass(frozen=True, slots=True)
class CalendarRule:
    """Messages that a day begins by itself: one for each combination of `each`, with the elements of `body`."""

    name: str
    operation: str
    at: str = ""  #: time of day in China, `02:00`; empty: as the site's setting says
    setting: str = ""  #: the word of `[schedule]` by which a site says whether these messages come by themselves, and when
    body: Mapping[str, str] = field(default_factory=dict)  #: element to value
    each: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: element to values
    month: str = ""  #: element for a month: one message for each in which something is to be merged, and for no other


@dataclass(frozen=True, slots=True)
class MergeCase:
    """Where elements of the merge have one of these values: until when its documents are to be merged, and what differs in what is made."""

    of: Mapping[str, tuple[str, ...]]  #: element to values
    day: int = 0  #: of the month after: the last on which it is in time; 0: that month's last
    within_year: Text = NOTHING  #: no later than the year's last day, and not at all after it, which is then told so
    head: Mapping[str, str] = field(default_factory=dict)  #: in place of what the merge says
    line: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MergeRule:
    """How documents of one type become documents of another, month by month: each part of theirs, and each line of it, in one of those.

    `head` and `line`: field of what is made to where it comes from (`flow/merging/making.py`); what must be equal and what is added up
    goes into the field of the same name by itself.
    """

    merges: str  #: the type that is merged: it has `[lines]`
    ready: str  #: statuses of its documents: merged from here,
    taken: str  #: while they are in hand,
    merged: str  #: and afterwards
    rank: int  #: of the last two among its receipts: what outranks them only moves a document on
    underway: frozenset[str]  #: its statuses that come before `ready`
    makes: str  #: the type that is made, by which operation
    operation: str
    lines_at: str  #: its table of lines
    declared: frozenset[str]  #: its statuses in which what went into it has been declared
    chosen: str  #: column of a table: names the documents that are meant; none: all
    month: str  #: elements of the merge: a month, `2026-11`,
    first: str  #: or its first day,
    last: str  #: and its last
    agent: str  #: element: the code of who declares instead of the account
    agent_name: str  #: and its name, which is filled
    agents: str  #: code table of those that are no account here
    offer: str  #: the query that shows what would be merged: its columns are those of the result, too
    working: str  #: statuses of the merge itself: in hand,
    made: str  #: all is made,
    partly: str  #: some could not be merged,
    none: str  #: there was nothing
    filters: Mapping[str, str] = field(default_factory=dict)  #: element of the merge to the path whose value must be the same
    head_at: str = ""  #: group of what is made that has the fields of the head; empty: the top
    parts: str = ""  #: column of a table of what is made that names each document that went into it, by its number `parts_by`
    parts_by: str = ""
    declares: str = ""  #: the operation instead of that where a site has what it makes declared by itself, and no agent is named
    rates: tuple[str, ...] = ()  #: code tables of days from which rates hold: documents of different ones are never one
    head: Mapping[str, str] = field(default_factory=dict)
    line: Mapping[str, str] = field(default_factory=dict)
    most_lines: int = 50  #: of what is made
    portion: int = 25  #: documents that one commit takes in hand, merges, or lets go: some 10 ms of everybody's
    cases: tuple[MergeCase, ...] = ()


MOST_DIMENSIONS = 3


@dataclass(frozen=True, slots=True)
class Expiry:
    """A document in one of these statuses is in `to` from the day after the date at `until`."""

    until: str  #: path of a date, from the top
    status: frozenset[str]
    to: str


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is counted of a document while it is in one of these statuses: a line for each row of `table`."""

    status: frozenset[str]
    table: str
    row: Mapping[str, str]  #: commodity, name, unit, quantity, amount: paths within a row
    dimensions: Mapping[str, str]  #: filter name to path, from the top; at most `MOST_DIMENSIONS`
    day: str = ""  #: path of the date, from the top, whose month it counts in; empty: the month in which it was first counted


@dataclass(frozen=True, slots=True)
class HeadCondition:
    """A field of the head has one of these values; or, with `no`, none of them."""

    path: str
    values: tuple[str, ...]
    no: bool = False


@dataclass(frozen=True, slots=True)
class KeyPart:
    """A field that must be equal in what is merged; of a line, within its row."""

    name: str
    number: bool = False  #: by its worth: 1.5 is 1.50
    bare: bool = False  #: hyphens do not count
    only: HeadCondition | None = None


@dataclass(frozen=True, slots=True)
class SumPart:
    """A number that is added up in what is merged, as a whole number of its last decimal; of a line, within its row."""

    name: str
    places: int
    only: HeadCondition | None = None


MOST_HEAD_SUMS, MOST_LINE_SUMS = 6, 4


@dataclass(frozen=True, slots=True, eq=False)
class LinesRule:
    """What is kept of a document, and of each row of a table, for merging it with others: while it is in one of these statuses.

    Equal to itself alone: it is what the makers of its keys are found by.
    """

    status: frozenset[str]
    day: str  #: path of the date whose month it belongs to
    pool: tuple[str, ...]  #: paths whose values part those that are never merged, and are asked for together
    rates: str = ""  #: path of the date whose rates hold; empty: none do
    table: str = ""
    head_key: tuple[KeyPart, ...] = ()
    line_key: tuple[KeyPart, ...] = ()
    head_sums: tuple[SumPart, ...] = ()
    line_sums: tuple[SumPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Notify:
    """Who is told by a short message, and of which receipts."""

    receipts: frozenset[str]
    phone: str  #: path of the number to tell
    when: tuple[Mapping[str, Any], ...]
    says: Text


@dataclass(frozen=True, slots=True)
class PrintForm:
    """A paper that a document can be printed as."""

    name: str
    title: Text
    layout: str  #: file in the profile's folder; empty: every field in order
    allowed: frozenset[str]  #: statuses; empty: any


@dataclass(frozen=True, slots=True)
class Party:
    """Whom a document is for: the account itself, or a client that it acts for. One of `names` and `need`."""

    names: str = ""  #: path of its code
    by: str = ""  #: which of its codes stands there; empty: that by which the authority names enterprises
    others: bool = False  #: an enterprise may name anybody there: it files in its own name; a broker does not
    need: str = ""  #: or: for whom the document is that this need finds


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """An answer as the authority itself writes it: the root, and the paths at which it says what."""

    root: str
    code: str
    text: str = ""
    reference: str = ""  #: the reference of what is answered
    numbers: Mapping[str, str] = field(default_factory=dict)  #: number kind to path
    namespace: str = ""
    elements: tuple[str, ...] = ()  #: what it has in its order: so it is written, where the sender is told by it


@dataclass(frozen=True, slots=True)
class EnclosedSheet:
    """A table that does not stand in the authority's own form: its rows go along as a sheet, which a row of another table tells of."""

    table: str
    columns: tuple[str, ...]  #: paths within a row, which head the sheet too
    file: str  #: its name, with {blanks} that are the last elements of paths from the top
    told_in: str  #: the table that tells of it
    row: Mapping[str, str]  #: column to its text, with the same blanks, and {file} {size} {time}


@dataclass(frozen=True, slots=True)
class OwnForm:
    """How an authority itself writes the document: so it may be sent in, and so it goes on the wire."""

    root: str
    namespace: str
    reference: str  #: path of the sender's name for the document, which is its key too
    operation: str  #: path of what is asked for
    operations: Mapping[str, str]  #: operation to what stands there
    attributes: Mapping[str, str] = field(default_factory=dict)  #: of the root
    dates: str = ""  #: how days are written, like yyyyMMdd; empty: 2026-11-20
    without: tuple[str, ...] = ()  #: paths that it does not have
    sealed: Mapping[str, str] = field(default_factory=dict)  #: path to what is written there when it is sealed (`SEALED`)
    technical: OwnAnswer | None = None
    business: OwnAnswer | None = None
    enclosed: EnclosedSheet | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """A document type. `version` is a hash of the folder; messages and documents keep the one they began with."""

    type: str
    authority: str
    folder: Path
    version: str
    title: Text
    system: str
    namespace: str
    account_code: str  #: which of the account's codes names it at this authority: mofcom_code | customs_code
    own_number: str  #: number kind that names the document on the wire and in Receipt_ file names
    fields: tuple[Field, ...]
    rules: tuple[Rule, ...]
    operations: Mapping[str, Operation]
    statuses: Mapping[str, Status]
    receipts: Mapping[str, ReceiptRule]
    numbers: Mapping[str, NumberRule]
    queries: Mapping[str, Query]
    attachments: AttachmentRule
    signer: str = ""  #: who must sign: a field path or `account`; its code must be the card holder's
    signature: str = "xml"  #: xml | cms: the form of the signature of what is sealed
    card_authority: str = ""  #: whose card signs
    route: str = ""  #: the type's own route, where the site has it
    registry: int = 0  #: its row in the overview of the licence systems; 0: none
    ministry: str = ""  #: code in the table of ministries
    certificates: tuple[Certificate, ...] = ()
    needs: Mapping[str, Need] = field(default_factory=dict)
    changes: Changes | None = None
    filed: Mapping[str, FiledSource] = field(default_factory=dict)
    takes: TakeRule | None = None
    statistics: Statistics | None = None
    lines: LinesRule | None = None
    expires: Expiry | None = None
    calendar: Mapping[str, CalendarRule] = field(default_factory=dict)
    merge: MergeRule | None = None
    notify: Notify | None = None
    prints: Mapping[str, PrintForm] = field(default_factory=dict)
    own_form: OwnForm | None = None
    party: Party | None = None
    own_card: Text = NOTHING  #: why no broker sends it; empty: one may

    def told_in(self, table: str) -> ReceiptRows | None:
        """What receipts tell of the rows of a table; those that speak of it say the same columns."""
        return next((rule.rows for rule in self.receipts.values() if rule.rows is not None and rule.rows.table == table), None)

    def naming(self, type_: str) -> tuple[str, ...]:
        """Under which names lists find what its needs name documents of another type by."""
        paths = {need.names for need in self.needs.values() if need.type == type_ and need.names}
        return tuple(one.find for one in self.fields if one.path in paths and one.find)

    def status_words(self, *names: str) -> tuple[str, str]:
        """What statuses are called, in Chinese and in English; one that nobody knows by its name."""
        known = [self.statuses[name].text if name in self.statuses else Text(name, name) for name in names]
        return " / ".join(text.zh for text in known) or "-", " / ".join(text.en for text in known) or "-"

    def as_sent(self, splits: Collection[str]) -> tuple[Field, ...]:
        """The fields of a message whose tables may have the rows of several documents, numbered through."""
        return tuple(_with_room(one, splits) for one in self.fields)


def _with_room(one: Field, splits: Collection[str]) -> Field:
    if one.path in splits:
        least, _, most = one.occurs.rpartition("..")
        return replace(one, occurs=f"{least or most}..{int(most) * MOST_PARTS}")
    numbers = one.fill == "index" and one.path.rpartition("/")[0] in splits
    return replace(one, length=one.length + len(str(MOST_PARTS - 1))) if numbers and one.length else one


@dataclass(frozen=True, slots=True)
class CodeTable:
    """A drop-down of the forms: code to its row, and exact name to code, Chinese before English (names of two codes are left out)."""

    name: str
    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, str]]
    codes: Mapping[str, str]
    sample: str = ""  #: form of the codes that the real table has, where this is a part of it; empty: it is whole

    def name_of(self, code: str, language: str) -> str:
        """What the table calls a code, in a language; the code where it does not."""
        row = self.rows.get(code, {})
        return row.get(language) or row.get("zh") or code


@dataclass(frozen=True, slots=True)
class Authority:
    """Who answers: a folder of profiles with its `authority.toml`."""

    name: str
    title: Text
    account_code: str


OwnForms = Mapping[str, Profile]
"""Root of an authority's own form, `{namespace}name`, to the document type that has it."""


class Profiles(dict[str, Profile]):
    """Document type to its profile, with the code tables and authorities that the profiles name; equal to itself alone."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__  # type: ignore[assignment]

    def __init__(
        self, profiles: Mapping[str, Profile], tables: Mapping[str, CodeTable], authorities: Mapping[str, Authority]
    ) -> None:
        super().__init__(profiles)
        self.tables = dict(tables)
        self.authorities = dict(authorities)
