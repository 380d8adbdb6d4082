"""Nothing is added unseen: every folder stands in its room's README, every model has its yml."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
READMES = sorted(path for path in ROOT.glob("*/README.md")) + sorted(ROOT.glob("assets/*/README.md"))
READMES = [path for path in READMES if any(path.parent.glob("*.py"))]


def test_every_folder_of_assets_has_a_readme() -> None:
    folders = {path for path in (ROOT / "assets").iterdir() if (path / "__init__.py").exists()}
    assert {path for path in folders if not (path / "README.md").exists()} == set()


@pytest.mark.parametrize("readme", READMES, ids=[str(path.parent.relative_to(ROOT)) for path in READMES])
def test_a_readme_names_every_folder_of_its_room_and_no_other(readme: Path) -> None:
    named = {line.split("`")[1] for line in readme.read_text().splitlines() if line.startswith("| `")}
    others = [path.parent for path in READMES if path != readme and readme.parent in path.parents]
    folders = {path.parent for path in readme.parent.rglob("__init__.py") if path.parent != readme.parent}
    own = {path for path in folders if not any(path == other or other in path.parents for other in others)}
    assert named == {f"{path.relative_to(readme.parent).as_posix()}/" for path in own}


def test_every_sql_model_has_a_yml_of_its_name() -> None:
    models = sorted((ROOT / "dbt_project" / "models").rglob("*.sql"))
    assert models
    assert [path.name for path in models if not path.with_suffix(".yml").exists()] == []


def test_every_page_of_the_manual_stands_in_its_index() -> None:
    manual = ROOT / "docs" / "ems"
    links = set(re.findall(r"\]\(([^)#]+)", (manual / "README.md").read_text()))
    assert [link for link in links if not (manual / link).exists()] == []
    assert {path.name for path in manual.glob("*.md")} - links == {"README.md"}
