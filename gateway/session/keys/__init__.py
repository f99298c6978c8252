"""The keys of cookies, seals and assertions: made once, rotated, kept in one of three places.

model.py        a key, its id, and what is to be done with it at a given time
source.py       KeySource: what every place that keeps keys can do
files.py        a folder;  folder.py: its files
environment.py  an environment variable
database.py     the gateway's own database, encrypted
choose.py       which of them config.yaml asks for
rotation.py     keys are made, replaced and taken away
ring.py         KeyRing: the keys of this process, one reference that is swapped
watch.py        keeps a ring as its source is
"""

from gateway.session.keys.model import KEY_ID
from gateway.session.keys.ring import KeyRing

__all__ = ["KEY_ID", "KeyRing"]
