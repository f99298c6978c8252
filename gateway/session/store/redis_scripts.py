"""What must happen in Redis in one step, as Lua: nothing comes between the commands of a script,
and nobody sees half of it. Values are Unix seconds as text, expiries milliseconds.

The sessions with one label are a sorted set of their keys, by the end of their lifetime, after
which a session is gone whatever happens; the set expires with the last of them. A session that
ended is taken out of its sets. One that was idle too long, or was ended by a process that knows no
labels, leaves them when somebody signs in under the same label, or asks for it.
"""

# The ten that would have gone first are enough to look at: others come in one by one.
_LABEL = """
local function label(session, key, till, now)
  local folder = string.sub(session, 1, -1 - string.len(key))
  for at = 2, #KEYS do
    for _, other in ipairs(redis.call('ZRANGE', KEYS[at], 0, 9)) do
      if redis.call('EXISTS', folder .. other) == 0 then redis.call('ZREM', KEYS[at], other) end
    end
    redis.call('ZADD', KEYS[at], till, key)
    local last = tonumber(redis.call('ZRANGE', KEYS[at], -1, -1, 'WITHSCORES')[2])
    redis.call('PEXPIRE', KEYS[at], math.max(1, math.ceil((last - tonumber(now)) * 1000)))
  end
end
"""

# KEYS: the session, its labels. ARGV: key, record, seen, idle, until, expiry, now, labels.
CREATE = f"""{_LABEL}
redis.call('HSET', KEYS[1], 'record', ARGV[2], 'seen', ARGV[3], 'idle', ARGV[4], 'until', ARGV[5],
           'labels', ARGV[8])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
label(KEYS[1], ARGV[1], ARGV[5], ARGV[7])
"""

# For a session of a process that knows no labels. KEYS as above. ARGV: key, now, labels.
LABEL = f"""{_LABEL}
local till = redis.call('HGET', KEYS[1], 'until')
if not till or redis.call('HSETNX', KEYS[1], 'labels', ARGV[3]) == 0 then return end
label(KEYS[1], ARGV[1], till, ARGV[2])
"""

# Activity moves `seen` forward and the expiry with it. A session that ended or expired meanwhile is
# not brought back, as it would be by reading first and then writing. KEYS: the session. ARGV: seen,
# now.
TOUCH = """
local seen, idle, till = unpack(redis.call('HMGET', KEYS[1], 'seen', 'idle', 'until'))
if not seen then return end
seen, idle, till = tonumber(seen), tonumber(idle), tonumber(till)
if math.min(seen + idle, till) <= tonumber(ARGV[2]) then return end
local latest = math.max(seen, tonumber(ARGV[1]))
local ends = math.min(latest + idle, till)
redis.call('HSET', KEYS[1], 'seen', string.format('%.6f', latest))
redis.call('PEXPIRE', KEYS[1], math.max(1, math.ceil((ends - tonumber(ARGV[2])) * 1000)))
"""

# Only if the record is still the one that was read. KEYS: the session. ARGV: the record read, the
# new one, idle, until, now, the channel, what to tell there.
CHANGE = """
local record, seen = unpack(redis.call('HMGET', KEYS[1], 'record', 'seen'))
if record ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'record', ARGV[2], 'idle', ARGV[3], 'until', ARGV[4])
local ends = math.min(tonumber(seen) + tonumber(ARGV[3]), tonumber(ARGV[4]))
redis.call('PEXPIRE', KEYS[1], math.max(1, math.ceil((ends - tonumber(ARGV[5])) * 1000)))
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
"""

# A server that refuses to write passes the news on all the same.
# KEYS: the session. ARGV: key, what the names of labels begin with, the channel.
END = """
local labels = redis.call('HGET', KEYS[1], 'labels')
local ended = redis.pcall('DEL', KEYS[1])
for label in string.gmatch(labels or '', '%S+') do
  redis.pcall('ZREM', ARGV[2] .. label, ARGV[1])
end
redis.call('PUBLISH', ARGV[3], ARGV[1])
return ended
"""

# The window begins with the first event and does not move with the others. KEYS: the count.
# ARGV: expiry.
COUNT = """
local events = redis.call('INCR', KEYS[1])
if events == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return events
"""

# KEYS: a label. ARGV: what the names of sessions begin with. Returns the keys of its sessions.
LABELLED = """
local found = {}
for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if redis.call('EXISTS', ARGV[1] .. key) == 1 then
    found[#found + 1] = key
  else
    redis.call('ZREM', KEYS[1], key)
  end
end
return found
"""

# KEYS: sessions. Returns those of processes that know no labels.
UNLABELLED = """
local found = {}
for _, name in ipairs(KEYS) do
  if redis.call('HEXISTS', name, 'labels') == 0 then found[#found + 1] = name end
end
return found
"""

# KEYS: sessions.
READ = """
local found = {}
for at, key in ipairs(KEYS) do found[at] = redis.call('HMGET', key, 'record', 'seen', 'labels') end
return found
"""
