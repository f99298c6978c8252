"""The sections of config.yaml, one class each; gateway/config.py puts them together.

http.py       server, upstream, headers, assertion: the two sides of the gateway
provider.py   providers
storage.py    directory, passwords, links, sessions, log
"""
