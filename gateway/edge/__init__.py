"""Every request passes here: bytes in -> decision -> bytes out.

exchange.py is the way of every request: `begin` and `_decided`, top to bottom. Around it, in the
order in which a request meets them:

who may come in
    server.py          puts the parts together, keeps the clock, drains;  shared.py: what all
                       connections share;  rules.py: the part of Config they need, compiled once
    listener.py        accepts connections;  sockets.py: those listened on
    entrance.py        lets them in, or turns them away;  admission.py: how many may;
                       last_words.py: what who may not is told
    certificate.py     the certificate for TLS;  pem_files.py: whether it was renewed;
                       handshake.py: what is said when one fails
    proxied.py         for whom a proxy connects;  proxy_protocol.py: as its header says it
bytes become requests
    client.py          one browser connection: requests in order, with back-pressure
    receiver.py        in what pieces it is read, and one to upstream
    intake.py          what has come and waits
    reader.py          httptools: bytes -> events (events.py): heads, bodies, ends
    request_reader.py  of requests, with request_line.py;  fields.py: what their headers mean;
                       field_reader.py: those that came before;  memory.py: how much is kept
    chunks.py          bodies in chunks
head -> session -> decision
    exchange.py        one request and its reply
    head.py            request head -> Inbound (inbound.py), or a refusal;  names.py: which headers
                       pass;  paths.py, cookies.py, peer.py, forwarded.py: one reading of each
    question.py        what a proxy asks at /sso/auth, and what it is told
    decision.py        Inbound + session + policies -> what is done with it
-> upstream
    upstream_head.py   the head that upstream gets
    asking.py          the side of an exchange that faces upstream
    pool.py            the connections to one address;  addresses.py: several, the least busy next
    connecting.py      how they are made: TCP or Unix socket, with upstream_tls.py
    health.py          which addresses work;  health_check.py: asking them
    upstream.py        one connection to Sonar or to the portal
    reply_reader.py    replies, with distrust;  reply_heads.py: those whose head came before
-> the browser
    answer.py          one reply of upstream on its way;  headers.py: what the browser gets of it
    arrival.py         a sign-in on Sonar's own page: whether there is something to hear
    page.py            a legacy page on its way through inject.py;  fragments.py: what goes in;
                       coding.py: out of gzip and back
    replies.py         what the gateway says itself: redirect, 401 JSON, error page
    tunnel.py          upgraded connections, closed when their session ends;  websocket.py: where
                       a frame ends
    ending.py          how an exchange ends;  record.py: the access log and the counters
    cookies_elsewhere.py  says which cookies of Sonar's would outlive a sign-out

The portal is one more upstream: nothing here imports it.
"""
