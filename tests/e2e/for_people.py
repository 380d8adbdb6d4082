"""Commands that only read, as a person calls them over the demo, and what a person never reads."""

import os
import re
from pathlib import Path

from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.oracle.examples import COMMANDS, DEMO, LeftOut

NOTHING = dict.fromkeys(("figure", "last_figure", "kpi_figure", "item"), "none")
READS = [
    f"{name} {words}".format(**DEMO, **NOTHING).strip()
    for name, examples in COMMANDS.items()
    if not isinstance(examples, LeftOut) and name not in ("replay", "simulate", "plan")
    for words in examples
    if "inputs/" not in words
]
READS += ["tariff held --site tower", "dr loads list", "weather list --site factory"]
# A list, and what shows one of its rows.
ROWS = {
    "advise list": ("advise show {}", "recommendations"),
    "orders list": ("orders show {}", "orders"),
    "bill list --site factory": ("bill show {} --site factory", "bills"),
    "plans list --site home": ("plans show {} --site home", "plans"),
    "devices list --site home": ("devices show {} --site home", "devices"),
}
# A value of the program, an escaped letter, a place that nothing filled, a bug.
_NEVER = re.compile(r"\b(?:True|False|None|Traceback)\b|\\[ux]|(?<!\$)\{|a bug of ours")


def read(project: Path, words: str) -> tuple[int, str]:
    """Exit code of a call and everything that a person sees; in this process."""
    before = dict(os.environ)
    try:
        call = [*words.split(), "--project", str(project)]
        result = CliRunner().invoke(build_app((call[0],)), call, catch_exceptions=False)
    finally:
        os.environ.clear()
        os.environ.update(before)
    return result.exit_code, result.output


def not_for_people(text: str) -> list[str]:
    """Parts of an answer that are the program's."""
    return _NEVER.findall(text)
