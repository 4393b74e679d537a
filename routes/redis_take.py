"""Take messages from a Redis list so that none is ever with nobody: in one step out of the list and among those that somebody has in hand.

The library takes a message first and notes in a second step who has it; what dies in between takes the message with it. The notes are
in the library's own form, so whatever of it restores what was in hand too long does so with these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tongguan.gateway.model.ids import new_id

_TAKE = """
local taken, size = {}, 0
while #taken / 2 < tonumber(ARGV[3]) and size < tonumber(ARGV[4]) do
  local item
  for n = 4, #KEYS do
    item = redis.call('RPOP', KEYS[n])
    if item then break end
  end
  if not item then break end
  local readable, message = pcall(cjson.decode, item)
  if readable and type(message) == 'table' then
    local tag = ARGV[1] .. '-' .. (#taken / 2)
    redis.call('ZADD', KEYS[1], ARGV[2], tag)
    redis.call('HSET', KEYS[2], tag, '[' .. item .. ', "", ' .. cjson.encode(KEYS[4]) .. ']')
    taken[#taken + 1], taken[#taken + 2] = tag, item
    size = size + (type(message.body) == 'string' and #message.body * 3 / 4 or #item)
  else
    redis.call('LPUSH', KEYS[3], item)
  end
end
return taken
"""


class RedisTaker:
    """Takes from one queue; `lists`: its keys, by priority, the queue's own name first."""

    def __init__(self, client: Any, queue: str, lists: Sequence[str], *, index: str, in_hand: str) -> None:
        self._take = client.register_script(_TAKE)
        self._keys = [index, in_hand, f"{queue}.unreadable", *lists]

    def take(self, *, now: float, most: int, most_bytes: int) -> Iterator[tuple[str, bytes]]:
        """The next messages, each with the tag by which it is in hand. What is none of the library's is put beside the queue."""
        told = self._take(keys=self._keys, args=[new_id(), now, most, most_bytes])
        return zip(map(_text, told[::2]), told[1::2], strict=True)


def _text(raw: bytes | str) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw
