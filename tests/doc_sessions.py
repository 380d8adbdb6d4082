"""Pages whose examples are run: files in fenced blocks with a name, commands in blocks of a console."""

import os
import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from orchestration.cli.main import build_app

_FILE = re.compile(r"^```(?:csv|json) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SESSION = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# How long a machine took is no part of what a page says.
_SECONDS = re.compile(r"solved in \d+\.\d+ s")


def replayed(page: str, folder: Path, commands: tuple[str, ...]) -> str:
    """The page with every command's output as it is now; its files are written into the folder first."""
    for name, content in _FILE.findall(page):
        (folder / name).write_text(content, encoding="utf-8")
    before = Path.cwd()
    os.chdir(folder)
    try:
        return _SESSION.sub(lambda found: f"```console\n{_session(found[1], commands)}```", page)
    finally:
        os.chdir(before)


def _session(session: str, commands: tuple[str, ...]) -> str:
    shown = []
    for line in session.splitlines():
        if not line.startswith("$ meterloom "):
            continue
        result = CliRunner().invoke(build_app(commands), shlex.split(line)[2:])
        printed = _SECONDS.sub("solved in 0.02 s", result.output)
        shown += [line, *(each.rstrip() for each in printed.splitlines())]
        if result.exit_code:
            shown.append(f"(exit code {result.exit_code})")
    return "\n".join([*shown, ""])
