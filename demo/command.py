"""The command: run it all until Ctrl-C."""

import argparse
import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path

from demo.news import tell_of_policies
from demo.plan import HIGHEST_PORT, CannotRun, Plan, make_plan, refuse_busy_ports
from demo.summary import summary
from demo.system import running
from gateway.errors import ConfigError

_ABOUT = """\
Run Sonar Gateway on this machine, with a stand-in Sonar behind it and stand-in Google and
Microsoft beside it, until Ctrl-C. Data is kept in var/."""


def main() -> int:
    """0 after Ctrl-C, 1 when something cannot run; 2 for wrong use, by argparse."""
    arguments = _parser().parse_args()
    try:
        plan = make_plan(arguments.config, arguments.port)
        refuse_busy_ports(plan)
        asyncio.run(_run(plan))
    except (ConfigError, CannotRun) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def _run(plan: Plan) -> None:
    print("Starting …", flush=True)
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told_to_stop.set)
    async with running(plan) as gateway:
        if not told_to_stop.is_set():
            print(summary(plan, shutil.get_terminal_size((120, 40)).columns), flush=True)
        stop = asyncio.create_task(told_to_stop.wait())
        end = asyncio.create_task(gateway.wait())
        news = asyncio.create_task(tell_of_policies(plan))
        waiting = (stop, end, news)
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if news in done:
            news.result()
        if not told_to_stop.is_set():
            raise gateway.ended()
        print("\nStopping …", flush=True)
    print("Stopped.", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=_ABOUT)
    parser.add_argument(
        "--config", type=Path, default=Path("config.yaml"), help="default: config.yaml"
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=os.environ.get("PORT") or None,
        help="the gateway's port, and Sonar, providers and health on the three after it; "
        "default: $PORT, else as config.yaml says",
    )
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to {HIGHEST_PORT}")
    return int(text)
