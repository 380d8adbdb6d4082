"""Names of commands and options are a contract: none goes, whatever becomes of the modules behind them."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from orchestration.cli.main import build_app
from tests.conftest import ROOT

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


def test_an_example_names_people_and_sites_of_the_demo() -> None:
    demo = ROOT / "assets" / "sites" / "demo"
    people = set(re.findall(r"person_id: (\w+)", (demo / "people.yaml").read_text()))
    sites = {path.stem for path in demo.glob("*.yaml")}
    examples = " ".join(line.partition(";")[2] for line in KEPT.read_text().splitlines())
    assert set(re.findall(r"--as (\w+)(?= |$)", examples)) - people == set()
    assert set(re.findall(r"--site (\S+)", examples)) - sites == set()


def promised(text: str) -> dict[str, set[str]]:
    """Command -> options, of the rows of a table whose first cell holds `meterloom …`; a|b is two commands."""
    found: dict[str, set[str]] = {}
    for row in re.findall(r"^\| (`meterloom .*?) \| ", text.replace("\\|", "/").replace("` or `", " "), re.MULTILINE):
        for command in re.findall(r"`(meterloom [^`]*)`", row):
            bare = re.split(r" (?=[\[A-Z…-])", command, maxsplit=1)[0]
            head, _, last = bare.rpartition(" ")
            for name in last.split("/"):
                found.setdefault(f"{head} {name}", set()).update(re.findall(r"--[a-z-]+", command))
    return found


def test_every_command_and_option_of_the_contract_is_there() -> None:
    contract = ROOT.parent / "shared" / "spec" / "cli.md"
    if not contract.is_file():
        pytest.skip("the contract of the command line is not here")
    there = {line.partition(":")[0]: set(line.split(";")[0].split()) | SHARED for line in lines()}
    wanted = promised(contract.read_text(encoding="utf-8"))
    assert len(wanted) > 60
    assert sorted(wanted.keys() - there.keys()) == []
    assert {name: left for name, options in wanted.items() if (left := options - there[name])} == {}
