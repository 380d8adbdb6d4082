"""The examples of docs/ems/carbon_accounting.md, run: `python -m tests.carbon.doc_page` writes what they print."""

import tempfile
from pathlib import Path

from tests.carbon.cases import CARBON_COMMANDS
from tests.carbon.doc_tables import filled_tables
from tests.doc_sessions import replayed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ems" / "carbon_accounting.md"


def filled(page: str, folder: Path) -> str:
    """The page with every command's output and generated table as it is now."""
    return replayed(filled_tables(page), folder, CARBON_COMMANDS)


def main() -> None:
    """Write the page again."""
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
