"""Every request passes here: bytes in -> decision -> bytes out.

Read in the order of a request:

    server.py      listens, keeps the clock, drains; what all connections share
    client.py      one browser connection: bytes -> requests, in order, with back-pressure
    reader.py      httptools: bytes -> heads, bodies, ends
    exchange.py    one request and its reply; `begin` and `answer` are the way of every request
    head.py        pure: request head -> Inbound, or a refusal;  paths.py, cookies.py, peer.py help
    decision.py    pure: Inbound + session + policies -> what is done with it
    headers.py     pure: what upstream gets, what the browser gets back;  names.py: which headers
    upstream.py    connections to Sonar and to the portal, and their pool
    answer.py      one reply of upstream on its way to the browser
    page.py        a legacy page on its way through inject.py
    tunnel.py      upgraded connections, closed when their session ends
    replies.py     what the gateway says itself: redirect, 401 JSON, error page
    rules.py       the part of Config all this needs, compiled once

The portal is one more upstream: nothing here imports it.
"""
