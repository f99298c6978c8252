"""A stand-in for Sonar, the legacy telephony portal, so that the whole works on a laptop.

It plays an application nobody wants to change: its own form and session cookie, accounts in SQL,
pages as they were made around 2008. What it was taught for single sign-on is one thing only: it
believes a valid `X-Sonar-Assertion` (assertion.py) and no other header.

    seed.py         the accounts, as data
    accounts.py     the accounts in SQLite; passwords.py hashes and verifies
    assertion.py    is this assertion genuine, current and meant for us?
    who.py          who is asking: by assertion, by session cookie, or nobody
    calls.py        calls as they happen; voicemail.py recordings on disk
    pages.py        the pages; api.py JSON and WebSocket; compression.py gzip and br
    app.py          puts it together
"""
