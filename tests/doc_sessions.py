"""Pages whose examples are run: files in fenced blocks with a name, commands in blocks of a console."""

import fnmatch
import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.e2e.dagster_ui import everything_up

_FILE = re.compile(r"^```(?:csv|json) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SESSION = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```(console|\w+ \S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A command with the lines of its output that a page shows, some or all.
_COMMAND = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
_EXIT = re.compile(r"\(exit code (\d+)\)")
# A sensor's look, the run that it asks for, and the agent's read-back, on a machine that does other things too.
SHOWN_WITHIN_S = 300.0
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


def followed(page: str, folder: Path) -> list[str]:
    """The commands of a page, followed from its top to its end in the folder: its files are written where they stand.

    Each command must succeed, or end with the `(exit code N)` below it, and print every line that the page shows
    below it, in their order; `…` in a line stands for anything. `meterloom up` runs until the page's end; a command
    behind it is asked again until it prints its lines.
    """
    before, until, done = Path.cwd(), 0.0, []
    os.chdir(folder)
    with ExitStack() as running:
        running.callback(os.chdir, before)
        for kind, content in _BLOCK.findall(page):
            if kind == "console":
                for command, shown in _COMMAND.findall(content):
                    if command.startswith("meterloom up "):
                        running.enter_context(everything_up(Path(command.rpartition(" ")[2]).resolve()))
                        until = time.monotonic() + SHOWN_WITHIN_S
                    else:
                        _follow(command, shown.splitlines(), until)
                    done.append(command)
            else:
                path = Path(kind.split()[1])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")
    return done


def _follow(command: str, shown: list[str], until: float) -> None:
    """One command, asked until then. Raises AssertionError as `_run` does."""
    while True:
        try:
            return _run(command, shown)
        except AssertionError:
            if time.monotonic() >= until:
                raise
        time.sleep(5)


def _run(command: str, shown: list[str]) -> None:
    """One command, run. Raises AssertionError with the command where it ends or prints otherwise than is shown."""
    program, *words = shlex.split(command)
    words = [name for word in words for name in _expanded(word)]
    if program == "python":
        subprocess.run([sys.executable, *words], check=True)
        return
    assert program == "meterloom", command
    result = CliRunner().invoke(build_app((words[0],)), words)
    wanted = int(found[1]) if shown and (found := _EXIT.fullmatch(shown[-1])) else 0
    assert result.exit_code == wanted, f"{command}\n{result.output}"
    printed = iter([" ".join(line.split()) for line in result.output.splitlines()])
    for line in shown[: -1 if wanted else None]:
        pattern = re.sub(r"([\[?*])", r"[\1]", " ".join(line.split())).replace("…", "*")
        assert any(fnmatch.fnmatchcase(each, pattern) for each in printed), f"{command}: {line}\n{result.output}"


def _expanded(word: str) -> list[str]:
    """File names that a shell makes of a word with a star; else the word."""
    return (sorted(map(str, Path().glob(word))) if "*" in word else []) or [word]


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
