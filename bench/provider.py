"""The provider at which rivals sign in: the demonstration's stand-in for Google.

python -m bench.provider PORT REDIRECT_URI...
"""

import sys

from aiohttp import web

from bench.stage import CLIENT_ID, CLIENT_SECRET
from demo.providers.app import make_app
from demo.providers.standin import Client, make_stand_in


def main() -> None:
    port, *redirect_uris = sys.argv[1:]
    client = Client(CLIENT_ID, CLIENT_SECRET, tuple(redirect_uris))
    nobody = Client("", "", ())
    app = make_app(make_stand_in(f"http://localhost:{port}", client, nobody))
    web.run_app(app, host="127.0.0.1", port=int(port), access_log=None, print=None)


if __name__ == "__main__":
    main()
