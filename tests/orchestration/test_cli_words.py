"""Names of commands and options are a contract: none goes, whatever becomes of the modules behind them."""

from pathlib import Path
from typing import Any

import typer

from orchestration.cli.main import build_app

# One line a command: its words, its own options and arguments, and the example of its help.
KEPT = Path(__file__).resolve().parents[1] / "golden" / "commands.txt"
SHARED = {"--project", "--as-of", "--as", "--json", "--debug", "--help"}


def lines() -> list[str]:
    """Every command as a line."""
    found: list[str] = []

    def walk(command: Any, words: str) -> None:
        names = [name for each in command.params for name in (*each.opts, *each.secondary_opts)]
        own = [name for name in names if name not in SHARED]
        found.append(f"{words}: {' '.join(own)}; {command.epilog or ''}".replace("; Example: meterloom", " ;").rstrip())
        for name, each in getattr(command, "commands", {}).items():
            walk(each, f"{words} {name}")

    walk(typer.main.get_command(build_app()), "meterloom")
    return found


def test_every_command_has_the_words_options_and_example_that_it_had() -> None:
    assert lines() == KEPT.read_text().splitlines()
