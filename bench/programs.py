"""The programs a measurement needs: where they are, which version, how to get them."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.process import CannotMeasure


@dataclass(frozen=True, slots=True)
class Needed:
    """`package`: Debian's, or `None` for a wheel of the development requirements. `ask`: the
    arguments that make it say its version."""

    command: str
    package: str | None
    ask: str
    also: tuple[str, ...] = ()


WRK = Needed("wrk", "wrk", "-v")
HAPROXY = Needed("haproxy", "haproxy", "-v")
NGINX = Needed("nginx", "nginx-light", "-v")
APACHE = Needed("apache2", "apache2", "-v", ("libapache2-mod-auth-openidc",))
ENVOY = Needed("envoy", None, "--version")
CADDY = Needed("caddy", None, "version")
PY_SPY = Needed("py-spy", None, "--version")

APACHE_MODULES = Path("/usr/lib/apache2/modules")

_APT = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]


def find(program: Needed) -> str:
    """Its path. Wheels put programs beside the interpreter, Debian servers in /usr/sbin."""
    places = (str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin")
    found = shutil.which(program.command, path=os.pathsep.join(places))
    if found is None:
        raise CannotMeasure(f"no {program.command}")
    return found


def version(program: Needed) -> str:
    """The number in what it says of itself."""
    said = subprocess.run(
        [find(program), *program.ask.split()], capture_output=True, text=True, check=False
    )
    text = said.stdout + said.stderr
    # Envoy puts the commit before the number: envoy version: 1a2b…/1.40.0/Clean/RELEASE/BoringSSL
    found = re.search(r"(?<![\w.])v?(\d+\.\d+\.\d+[\w.+~-]*|\d+\.\d+)(?![\w.])", text)
    return found[1] if found else "of unknown version"


def provide(programs: tuple[Needed, ...]) -> None:
    """Install what is missing where that is allowed; `CannotMeasure` says what to install."""
    missing = [program for program in programs if not _is_there(program)]
    packages = [name for program in missing if program.package for name in _packages(program)]
    if any(program.package is None for program in missing):
        raise CannotMeasure(
            "wheels are missing: `make bench` installs the development requirements"
        )
    if not packages:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise CannotMeasure(f"install these: sudo apt-get install {' '.join(packages)}")
    print(f"installing {', '.join(packages)}", flush=True)
    environment = {
        **os.environ,
        "DEBIAN_FRONTEND": "noninteractive",
        # Debian starts a server as soon as it is installed; on port 80, and beside a measurement.
        "RUNLEVEL": "1",
    }
    for step in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        if subprocess.run([*_APT, *step], env=environment, check=False).returncode != 0:
            raise CannotMeasure(f"`apt-get` failed; install {' '.join(packages)} by hand")


def _is_there(program: Needed) -> bool:
    if program is APACHE and not (APACHE_MODULES / "mod_auth_openidc.so").is_file():
        return False
    try:
        find(program)
    except CannotMeasure:
        return False
    return True


def _packages(program: Needed) -> tuple[str, ...]:
    return (program.package, *program.also) if program.package else ()
