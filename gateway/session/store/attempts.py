"""How long somebody waits who keeps being wrong: the rule, and one step of it in each store.

    attempts 1 … free         at once
    the one after             `first` later, then twice as long each time, at most `longest`

An attempt is counted before anybody knows whether it succeeds, so that many at once are no more
than one after the other. One that comes too early is not counted: else whoever keeps knocking would
keep the owner out as well. The two stores do the same step, each in one go.
"""

import sqlite3
from dataclasses import dataclass
from typing import Self

from gateway.config import Passwords

# Two to the power of more than this is for ever, and near what a float can hold.
_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Throttle:
    """`free` attempts cost no wait; times in seconds. `memory`: how long after the last wait it is
    all forgotten."""

    free: int
    first: float
    longest: float
    memory: float

    @classmethod
    def of(cls, settings: Passwords) -> Self:
        return cls(settings.attempts, settings.wait, settings.longest_wait, settings.window)

    def wait_after(self, attempts: int) -> float:
        """How long after so many attempts the next one has to wait, in seconds."""
        if attempts < self.free:
            return 0.0
        doublings = min(attempts - self.free, _MOST_DOUBLINGS)
        return min(self.longest, self.first * 2.0**doublings)


# In SQLite. `due`: when the next attempt may come; `until`: when all is forgotten.
SCHEMA = """
CREATE TABLE IF NOT EXISTS attempts (
    name TEXT PRIMARY KEY, made INTEGER NOT NULL, due REAL NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
"""


def attempt(connection: sqlite3.Connection, name: str, throttle: Throttle, now: float) -> float:
    """0.0: it is counted and may be made; else how long to wait. Within a transaction."""
    row = connection.execute(
        "SELECT made, due FROM attempts WHERE name = ? AND until > ?", (name, now)
    ).fetchone()
    made, due = (0, 0.0) if row is None else row
    if due > now:
        return float(due - now)
    wait = throttle.wait_after(made + 1)
    connection.execute(
        "INSERT INTO attempts (name, made, due, until) VALUES (?, ?, ?, ?) ON CONFLICT (name) "
        "DO UPDATE SET made = excluded.made, due = excluded.due, until = excluded.until",
        (name, made + 1, now + wait, now + wait + throttle.memory),
    )
    return 0.0


def pardon(connection: sqlite3.Connection, name: str) -> None:
    """Take back one attempt, which was allowed, and the wait that followed from it."""
    connection.execute(
        "UPDATE attempts SET made = max(made - 1, 0), due = 0 WHERE name = ?", (name,)
    )


# In Redis: a hash with `made` and `due`, which expires when all is forgotten. ARGV: now, free,
# first, longest, memory; the answer as text, because Redis would cut a number to an integer. All
# digits: rounded, a time that has come could be one that comes in 0.0 seconds, uncounted.
LUA_ATTEMPT = f"""
local made, due = unpack(redis.call('HMGET', KEYS[1], 'made', 'due'))
local now = tonumber(ARGV[1])
made, due = tonumber(made or 0), tonumber(due or 0)
if due > now then return string.format('%.17g', due - now) end
made = made + 1
local wait = 0
if made >= tonumber(ARGV[2]) then
  local doublings = math.min(made - tonumber(ARGV[2]), {_MOST_DOUBLINGS})
  wait = math.min(tonumber(ARGV[4]), tonumber(ARGV[3]) * 2 ^ doublings)
end
redis.call('HSET', KEYS[1], 'made', made, 'due', string.format('%.17g', now + wait))
redis.call('PEXPIRE', KEYS[1], math.ceil((wait + tonumber(ARGV[5])) * 1000))
return '0'
"""
LUA_PARDON = """
local made = redis.call('HGET', KEYS[1], 'made')
if made then
  redis.call('HSET', KEYS[1], 'made', math.max(tonumber(made) - 1, 0), 'due', '0')
end
"""
