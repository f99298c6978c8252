"""What py-spy saw, counted: at work itself, and with what it had called."""

from bench.rounds.profile import counted

SEEN = [
    "serve (/there/gateway/workers/worker.py:10);Runner.run (asyncio/runners.py) 6",
    "serve (/there/gateway/workers/worker.py);Runner.run (asyncio/runners.py);"
    "go (gateway/edge/client.py) 3",
    # Something that calls itself is there once.
    "Runner.run (asyncio/runners.py);go (gateway/edge/client.py);go (gateway/edge/client.py) 1",
    # Another thread.
    "run (threading.py);go (gateway/edge/client.py) 100",
]


def test_shares() -> None:
    looks, own, within = counted(SEEN)
    loop, go = "Runner.run (runners.py)", "go (gateway/edge/client.py)"
    assert looks == 10
    assert own == {loop: 6, go: 4}
    assert within == {loop: 10, go: 4}
