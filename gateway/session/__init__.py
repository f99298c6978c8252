"""Is this browser signed in?

model.py      Session: one signed-in browser, and when it ends; pure
cookie.py     the session cookie: opaque random id + MAC
keys.py       the keys of cookies, seals and assertions, with ids
seal.py       authenticated encryption for what a browser carries for us
assertion.py  the ES256 identity assertion upstream verifies, and the JWKS
live.py       Sessions: the per-process cache between the edge and the store
store/        SessionStore, and its two implementations: embedded (SQLite) and Redis
"""
