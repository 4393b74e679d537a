"""The station of what is to be checked: where much is due, a process that prepares decides one part of it, while this one decides another.

That is so when something has come for which many waited.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from tongguan.gateway.flow.intake.preparer import MessageBatch, Preparer, PreparerEnded
from tongguan.gateway.journal.port import Claim
from tongguan.gateway.model.outcome import Chain, Finished
from tongguan.gateway.work.loop import CRASHES
from tongguan.gateway.work.station import Station

_FEW = 32  #: messages at once that are done before another process has heard of them


@dataclass(slots=True)
class CheckStation(Station):
    """A station that has help. What the helper leaves, as out of the ordinary, is due still, and is done here at the next turn."""

    preparer: Preparer | None = None
    _alone: bool = False

    def turn(self) -> bool:
        self.look()
        claim = self.claim()
        if claim is None:
            return False
        helper = self.preparer
        if helper is not None and claim.suspects and claim.crashes < CRASHES and not (self._alone or helper.ready):
            self.journal.give_back(claim.token)  # in nobody's hand while that one begins
            self._alone = not helper.begun()
            return True
        asked = self._asked(claim)
        if asked is None:
            self.do(claim)
            return True
        try:
            beside = None if claim.suspects else self.claim()
            if beside is not None:
                self.do(beside)
            self._write(claim, asked.result())
        except PreparerEnded as ended:
            self._alone = True
            if ended.begun:  # over this very part, it seems: it comes in smaller ones from now on
                self.journal.abandon(self.name)
            else:
                self.journal.give_back(claim.token)
        except Exception:
            self.journal.give_back(claim.token)
            raise
        return True

    def _asked(self, claim: Claim) -> Future[Sequence[Chain]] | None:
        """What the helper is asked; None where it would not pay. Suspects are looked into over there, if anywhere."""
        alone, self._alone = self._alone, False
        if self.preparer is None or alone or claim.crashes >= CRASHES:
            return None
        if not claim.suspects and (len(claim.messages) < _FEW or not self.preparer.ready):
            return None
        return self.preparer.ask(MessageBatch(tuple(message.id for message in claim.messages)), anew=True, last=True)

    def _write(self, claim: Claim, chains: Sequence[Chain]) -> None:
        fates = self.journal.finish(chains, token=claim.token)
        self._alone = fates.count(Finished.WRITTEN) < len(claim.messages)
