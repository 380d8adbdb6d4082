"""The examples of docs/ems/carbon_accounting.md, run: `python -m tests.carbon.doc_page` writes what they print."""

import os
import re
import shlex
import tempfile
from pathlib import Path

from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.carbon.cases import CARBON_COMMANDS
from tests.carbon.doc_tables import filled_tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ems" / "carbon_accounting.md"
_FILE = re.compile(r"^```csv (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SESSION = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def filled(page: str, folder: Path) -> str:
    """The page with every command's output and generated table as it is now; its files are written first."""
    page = filled_tables(page)
    for name, content in _FILE.findall(page):
        (folder / name).write_text(content, encoding="utf-8")
    before = Path.cwd()
    os.chdir(folder)
    try:
        return _SESSION.sub(lambda found: f"```console\n{_replayed(found[1])}```", page)
    finally:
        os.chdir(before)


def _replayed(session: str) -> str:
    shown = []
    for line in session.splitlines():
        if not line.startswith("$ meterloom "):
            continue
        result = CliRunner().invoke(build_app(CARBON_COMMANDS), shlex.split(line)[2:])
        shown += [line, *(printed.rstrip() for printed in result.output.splitlines())]
        if result.exit_code:
            shown.append(f"(exit code {result.exit_code})")
    return "\n".join([*shown, ""])


def main() -> None:
    """Write the page again."""
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
