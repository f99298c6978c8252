"""Every request passes here: bytes in -> decision -> bytes out.

Read in the order of a request:

    server.py      puts the parts together, keeps the clock, drains; what all connections share
    listener.py    accepts connections (sockets.py) that may come in (admission.py), plain or with
                   TLS (certificate.py), behind a proxy that says for whom (proxy_protocol.py)
    client.py      one browser connection: bytes -> requests, in order, with back-pressure
    intake.py      what has come and waits
    reader.py      httptools: bytes -> events (events.py): heads, bodies, ends;  request_reader.py:
                   requests, with request_line.py;  reply_reader.py: replies, with distrust;
                   reply_heads.py: pure: replies whose head came before
    exchange.py    one request and its reply; `begin` is the way of every request
    head.py        pure: request head -> Inbound, or a refusal;  fields.py, paths.py, cookies.py,
                   peer.py, forwarded.py and names.py (which headers) help
    question.py    pure: what a proxy asks at /sso/auth
    decision.py    pure: Inbound + session + policies -> what is done with it
    upstream_head.py  pure: what upstream gets;  headers.py: what the browser gets back
    asking.py      the side of an exchange that faces upstream
    upstream.py    one connection to Sonar or to the portal;  connecting.py, tls.py: how it is made
    pool.py        the connections to one address;  addresses.py: several, the least busy one next;
                   health.py: pure: which of them work;  health_check.py: asking them
    answer.py      one reply of upstream on its way to the browser
    page.py        a legacy page on its way through inject.py
    tunnel.py      upgraded connections, closed when their session ends;  websocket.py: pure: where
                   its frames end
    replies.py     what the gateway says itself: redirect, 401 JSON, error page
    record.py      the access log and the counters
    rules.py       the part of Config all this needs, compiled once

The portal is one more upstream: nothing here imports it.
"""
