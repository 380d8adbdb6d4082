"""The examples of docs/ems/optimisation.md, run: `python -m tests.controls.optimiser.doc_page` writes the page."""

import tempfile
from pathlib import Path

from tests.doc_sessions import replayed

PAGE = Path(__file__).resolve().parents[3] / "docs" / "ems" / "optimisation.md"


def filled(page: str, folder: Path) -> str:
    """The page with every command's output as it is now."""
    return replayed(page, folder, ("plan",))


def main() -> None:
    """Write the page again."""
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
