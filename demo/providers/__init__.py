"""Two providers for the demonstration and the tests: they look and behave like Google and Entra.

    standin.py   `StandIn`: both providers with their clients, keys and codes; what tests change
    faults.py    `Fault`: what one answer does wrong, on purpose; tests only
    tokens.py    what each provider says of a person, and its signature
    authorize.py the page to pick who one is, and the answer to the browser
    token.py     code for token
    app.py       the routes; `make_app(StandIn)`

They verify what real ones verify: client, redirect URI, secret, PKCE, single use of a code.
"""
