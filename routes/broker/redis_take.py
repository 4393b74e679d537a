"""Take messages from Redis lists so that none is ever with nobody: each is noted as being in hand before it leaves its list.

Promises: whatever fails in the middle (a right that lacks, a key of another type, memory), the message is in its list or in a note, at worst
in both; what is given back, or was in hand for too long, is in its list again as it came, marked as handed out before. Works in a Redis
without room as well, as taking makes room. The notes are the gateway's own: other programs in the same database keep theirs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tongguan.gateway.model.ids import new_id

_INDEX, _NOTES = "tongguan.unacknowledged.index", "tongguan.unacknowledged"
#: Once a script has written, Redis lets it go on although there is no room; so each begins with a write that changes nothing.
_WRITES = "redis.call('HDEL', KEYS[2], '')\n"
_TAKE = (
    """
local taken, size = {}, 0
local function failed(said) return type(said) == 'table' and said.err ~= nil end
while #taken / 2 < tonumber(ARGV[3]) and size < tonumber(ARGV[4]) do
  local item, list
  for n = 4, #KEYS do
    item, list = redis.call('LINDEX', KEYS[n], -1), KEYS[n]
    if item then break end
  end
  if not item then break end
  """
    + _WRITES
    + """
  local readable, message = pcall(cjson.decode, item)
  if readable and type(message) == 'table' then
    local tag = ARGV[1] .. '-' .. string.format('%06d', #taken / 2)
    local said = redis.pcall('ZADD', KEYS[1], ARGV[2], tag)
    if not failed(said) then said = redis.pcall('HSET', KEYS[2], tag, list .. '\\n' .. item) end
    if not failed(said) then said = redis.pcall('RPOP', list) end
    if failed(said) then  -- it stays where it is, and no note of each try is left
      redis.pcall('HDEL', KEYS[2], tag)
      redis.pcall('ZREM', KEYS[1], tag)
      return #taken > 0 and taken or said
    end
    taken[#taken + 1], taken[#taken + 2] = tag, item
    size = size + (type(message.body) == 'string' and #message.body * 3 / 4 or #item)
  else
    redis.call('LPUSH', KEYS[3], item)
    redis.call('RPOP', list)
  end
end
return taken
"""
)
_GIVE_BACK = (
    _WRITES
    + """
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then
  redis.call('RPUSH', KEYS[3], ARGV[2])
  redis.call('HDEL', KEYS[2], ARGV[1])
end
redis.call('ZREM', KEYS[1], ARGV[1])
"""
)


class RedisTaker:
    """What a connection has in hand; `client` is the library's."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._take, self._give_back = client.register_script(_TAKE), client.register_script(_GIVE_BACK)
        self._tags: dict[str, None] = {}  # in the order in which they were taken

    def __len__(self) -> int:
        return len(self._tags)

    def take(self, queue: str, lists: Sequence[str], *, now: float, most: int, most_bytes: int) -> Iterator[tuple[str, bytes]]:
        """The next messages of a queue, each with the tag by which it is in hand. What is no message is put beside the queue.

        `lists`: its keys, by priority; `now`: seconds of the machine's clock.
        """
        keys = [_INDEX, _NOTES, f"{queue}.unreadable", *lists]
        told = self._take(keys=keys, args=[new_id(), now, most, most_bytes])
        for tag, raw in zip(map(_text, told[::2]), told[1::2], strict=True):
            self._tags[tag] = None
            yield tag, raw

    def acknowledge(self, tags: Sequence[str]) -> None:
        """Forget these for good."""
        told = self._client.pipeline(transaction=False)  # in a transaction nothing is taken where there is no room
        told.hdel(_NOTES, *tags)
        told.zrem(_INDEX, *tags)
        told.execute()
        for tag in tags:
            self._tags.pop(tag, None)

    def give_back(self) -> None:
        """Put all of it back, so that the first one taken comes first."""
        while self._tags:
            self._back(self._tags.popitem()[0])

    def restore(self, *, before: float, most: int) -> None:
        """Put back what has been in anybody's hand since `before`."""
        for tag in self._client.zrange(_INDEX, before, "-inf", desc=True, byscore=True, offset=0, num=most):
            self._back(_text(tag))

    def _back(self, tag: str) -> None:
        note = self._client.hget(_NOTES, tag) or b"\n"
        name, _, item = (note.encode() if isinstance(note, str) else note).partition(b"\n")
        self._give_back(keys=[_INDEX, _NOTES, name], args=[tag, _marked(item)])


def _marked(item: bytes) -> bytes:
    """The message, saying that somebody had it before; as it came where it cannot say so."""
    try:
        told = json.loads(item)
        told["headers"] = {**(told.get("headers") or {}), "redelivered": True}
        return json.dumps(told).encode()
    except (ValueError, TypeError, AttributeError, RecursionError):
        return item


def _text(raw: bytes | str) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw
