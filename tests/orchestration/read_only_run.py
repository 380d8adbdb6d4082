"""Runs commands in a folder that this process alone sees read-only: `python -m tests.orchestration.read_only_run`.

A line of JSON a command on standard output: its words, exit code, standard output, standard error.
"""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from orchestration.cli.main import build_app

NEW_MOUNTS, BIND, REMOUNT, READ_ONLY, PRIVATE, RECURSIVE = 0x20000, 4096, 32, 1, 1 << 18, 16384


def is_possible() -> bool:
    """Whether this machine lets us mount a folder over itself, as root of a namespace of our own."""
    check = [sys.executable, "-c", "from tests.orchestration.read_only_run import freeze; freeze('.')"]
    return subprocess.run(check, capture_output=True, check=False).returncode == 0


def freeze(folder: str) -> None:
    """From now on the folder and all below it is read-only for this process. Raises OSError."""
    mount = ctypes.CDLL(None, use_errno=True)
    where = os.path.abspath(folder).encode()  # noqa: PTH100 - as bytes
    steps = [
        lambda: mount.unshare(NEW_MOUNTS),
        # Nobody outside sees what is mounted from here on.
        lambda: mount.mount(None, b"/", None, PRIVATE | RECURSIVE, None),
        lambda: mount.mount(where, where, None, BIND, None),
        lambda: mount.mount(where, where, None, BIND | REMOUNT | READ_ONLY, None),
    ]
    for step in steps:
        if step():
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), folder)


def main() -> None:
    """arguments: the folder, and the commands as JSON."""
    folder, commands = sys.argv[1], json.loads(sys.argv[2])
    freeze(folder)
    os.chdir(folder)
    for words in commands:
        done = CliRunner().invoke(build_app((words[0],)), words)
        fault = "" if isinstance(done.exception, SystemExit | None) else repr(done.exception)
        print(json.dumps([words, done.exit_code, done.stdout, done.stderr + fault]), flush=True)  # noqa: T201


def run(folder: Path, *commands: str, env: dict[str, str] | None = None) -> dict[str, tuple[int, str, str]]:
    """Command -> exit code, standard output and standard error, each run in the folder while it is read-only."""
    words = json.dumps([each.split() for each in commands])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", __name__, str(folder), words],
        capture_output=True, text=True, check=False, env={**os.environ, **(env or {})},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {" ".join(words): (code, out, error) for words, code, out, error in lines}


if __name__ == "__main__":
    main()
