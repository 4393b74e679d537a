"""What authorities answered today to what operations ask first: the same question of an account is not put twice a day."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping

import orjson

from tongguan.gateway.document.changes import value_at, values_at, with_values
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.message import Message
from tongguan.gateway.profile.profile import Profile
from tongguan.gateway.system.times import china_date

_MOST = 100  #: questions that are remembered; decisions in other processes are given them all


class KnownAnswers:
    """The newest answers; `seen` is never changed, but replaced: a decision may hold on to it."""

    def __init__(self) -> None:
        self.seen: Mapping[str, Mapping[str, str]] = {}
        self._noting = threading.Lock()

    def note(self, question: str, told: Mapping[str, str]) -> None:
        """Remember what was told (path to value) in answer to a question (`question_of`)."""
        with self._noting:
            others = [(key, value) for key, value in self.seen.items() if key != question]
            self.seen = dict([*others, (question, told)][-_MOST:])


def question_of(profile: Profile, message: Message, content: Content, business: int) -> str:
    """The name of what a message asks today: of its account, with these values of the fields that the answer hangs on."""
    values = [values_at(content, path) for path in profile.operations[message.operation].while_same]
    named = [message.account, profile.type, profile.version, china_date(business), *values]
    return hashlib.sha256(orjson.dumps(named)).hexdigest()


def with_known(
    profile: Profile, message: Message, content: Content, known: Mapping[str, Mapping[str, str]], business: int
) -> Content:
    """The content with what was answered today to the question that the message would put first; as it is where that is not known."""
    operation = profile.operations[message.operation]
    if operation.way != "message" or not operation.while_same or all(value_at(content, path) for path in operation.keep):
        return content
    told = known.get(question_of(profile, message, content, business))
    return content if told is None else with_values(content, told)
