"""Is this browser signed in?

model.py             Session: one signed-in browser, and when it ends; pure
live.py              Sessions: what edge and portal call; begins, finds and ends sessions
recognise.py         which session a cookie is for
activity.py          how the store hears of activity
entry.py             Live: one session in this process's memory; its headers, its sealed cookies
limits.py            how long it may last: policy and config, then and now; pure
changes.py           what becomes another while it lives, on every process
recheck.py           is its account still one that the identity opens? asked while it lives
renewal.py           and does its provider say so? asked by refresh token (grant.py)
disallowed.py        what a change of the policies does to sessions, and the records of both
over.py              which of them are over, whatever the store says
endings.py           what must end ends, whatever happens to the store meanwhile
sweep.py             after a reload of the policies
cache.py, known.py   which of them there are, and how sure this process is of each
store/               SessionStore, and its two implementations: embedded (SQLite) and Redis

keys/                the keys of cookies, seals and assertions, with ids, kept and rotated
cookie.py            names, attributes, and the session cookie: opaque random id + MAC
seal.py              authenticated encryption for what a browser carries for us (aead.py)
assertion.py         the ES256 identity assertion upstream verifies, and the JWKS
identity_headers.py  the header lines with which upstream is told

A look-up runs  cookie -> cache -> (known -> store), and an ending comes back the other way: the
store tells every process, which drops its entry and closes the session's tunnels.
"""
