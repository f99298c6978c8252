"""The gateway's own pages, under /sso/: an aiohttp application on a private Unix socket.

    app.py          which path is which page; headers and error pages that every answer gets
    parts.py        what the pages are given
    visit.py        one request: who is there, and until when that is judged
    forms.py        a form is read strictly, and only from our own page;  session_form.py: and
                    from somebody signed in
    pages.py        templates, redirects;  refusals.py: each way a page can say no

    sign_in.py      sign-in page, the way to the provider and back
    choose.py       several accounts: which one; and switching later
    link.py         none: prove one with its password
    settings.py     one's own links and matches
    confirm.py      a fresh proof of who somebody is, before pages that can do harm
    sign_out.py     sign out here, and at the provider
    logouts.py      logouts that a provider tells of: backchannel.py signed by it,
                    frontchannel.py through a browser;  misses.py: how often one may guess
    recall.py       what a provider takes back while somebody is on the way in
    kept_form.py    a form that met no session: kept, asked about, sent;  form_keeping.py: where
    form_body.py    what a browser makes of it again
    notices.py      what an account's owner is told on the way in: a new link, and how to undo it
    about.py        /sso/me and the assertion's public keys

    trip.py         off to the provider
    person.py       who is choosing an account or proving one
    candidates.py   which accounts this identity may use now
    proof.py        a Sonar password, throttled;  password_page.py: the page that asks for it
    carried.py      a refresh token, while there is no session for it yet
    completion.py   the one place where a sign-in becomes a session

A sign-in runs  sign_in -> candidates -> (choose | link) -> completion.  The edge is never imported:
to it this is one more upstream. What it says in X-Forwarded-For and X-Request-ID is believed,
because nobody else reaches the socket.
"""
