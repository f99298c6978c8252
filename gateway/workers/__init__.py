"""Several processes that share one port, and the one that looks after them.

sockets.py     what is listened on: opened once, or handed over by systemd; workers inherit it
supervisor.py  starts workers, replaces those that die, hands on signals, stops all
crew.py        what the supervisor knows of them, and what it tells of all
restart.py     which of them is replaced next, and by which configuration
fork.py        the birth of a worker;  bell.py: signals, without an event loop
backoff.py     pure: how long until a dead one is replaced
line.py        what a worker and the supervisor tell each other;  post.py: a worker's place
worker.py      one worker, or the whole gateway when there is but one

The supervisor has no threads and no event loop, so that it can fork at any time: a worker begins
with everything imported, in a tenth of a second, and in memory that all of them share. It serves
nobody; the management listener is answered by whichever worker accepts.

Each worker has a listening socket of its own, in one SO_REUSEPORT group, among which the kernel
spreads connections evenly; with one socket for all, whoever wakes first takes most. The supervisor
holds all of these sockets open, and every worker inherits all: when a worker dies the connections
in its queue wait there, and the others accept from it until it is replaced. A group whose members
closed their own sockets would reset them.
"""
