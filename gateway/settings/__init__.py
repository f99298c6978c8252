"""The sections of config.yaml, one class each; gateway/config.py puts them together.

http.py       server, upstream, headers, assertion: the two sides of the gateway
upstream.py   how connections to Sonar are made: upstream.tls, upstream.health
limits.py     how much the gateway takes from browsers, and how long it waits
mail.py       mail: the server that takes letters
provider.py   providers
storage.py    directory, passwords, links, sessions, log
keys.py       keys: where they are kept, how they are rotated
"""
