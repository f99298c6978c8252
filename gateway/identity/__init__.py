"""Who does the provider say this is?

provider.py     one provider: the way there, and from the answer to a verified identity
request.py      the way there: what the provider is asked for
answer.py       the authorization response: state, RFC 9207 `iss`, error or code
exchange.py     code for ID token
token.py        a token's signature -> UnverifiedClaims
provenance.py   whose a token is, for whom, of when: what each kind of token has to show
claims.py       UnverifiedClaims -> Identity: every check of the claims, in one place
model.py        Identity and what vouches for its email; UnverifiedClaims; Refused
entra.py        how Entra names its tenants
published.py    what the provider publishes: discovery.py its own description, and its keys;
                cached.py keeps both, fetch.py gets them
checks.py       what `sonar-gateway check` finds out about a provider
recall.py       what a provider tells of its own accord:
                logout_token.py that somebody is signed out,
                security_event.py that an account is in trouble
transaction.py  what the browser carries between our redirect and the end of its sign-in;
                sealed.py has it carried, one sealed cookie a tab
next_path.py    where it goes then: a path of our own origin, or `/`
"""
