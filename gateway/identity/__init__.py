"""Who does the provider say this is?

provider.py     discovery, keys, the authorization request, the code exchange
claims.py       UnverifiedClaims -> Identity: every check of an ID token, in one place
transaction.py  what the browser carries between our redirect and the provider's answer, sealed
"""
