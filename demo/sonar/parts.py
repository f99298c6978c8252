"""What the handlers work with, made once by app.py."""

from dataclasses import dataclass

import jinja2
from aiohttp import web

from demo.sonar.accounts import Accounts
from demo.sonar.calls import Switchboard
from demo.sonar.voicemail import Recordings


@dataclass(frozen=True, slots=True)
class Parts:
    accounts: Accounts
    switchboard: Switchboard
    recordings: Recordings
    templates: jinja2.Environment


PARTS = web.AppKey("parts", Parts)
