"""Notebooks are short, hold no outputs, use public functions alone, and are refused in a sentence without a project."""

import ast
import importlib.util
import json
from pathlib import Path

import pytest
import yaml

from tests.notebook_files import NOTEBOOKS, ROOT, cells, code, execute

ROOMS = {"data_quality", "assets", "ml", "controls", "reports", "orchestration"}
MAX_LINES = 40
IDS = [path.stem for path in NOTEBOOKS]


def private_names(source: str) -> list[str]:
    """Names that a reader of the documentation does not know: with an underscore before them."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [node.attr for node in nodes if isinstance(node, ast.Attribute)]
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names += [*str(node.module).split("."), *(each.name for each in node.names)]
    return sorted({name for name in names if name.startswith("_")})


def test_there_is_a_notebook_for_each_subject() -> None:
    assert [name[:2] for name in IDS] == [f"{number}_" for number in range(1, 9)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_a_notebook_holds_no_outputs(path: Path) -> None:
    assert [cell["id"] for cell in cells(path, "code") if cell["outputs"] or cell["execution_count"]] == []
    assert set(json.loads(path.read_text(encoding="utf-8"))["metadata"]) == {"kernelspec", "language_info"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_a_notebook_is_short_and_begins_with_its_question(path: Path) -> None:
    assert len([line for line in code(path).splitlines() if line.strip()]) <= MAX_LINES
    first = "".join(cells(path, "markdown")[0]["source"])
    assert first.startswith(f"# {path.stem[0]} ")
    assert "?" in first


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_a_notebook_uses_public_functions_that_there_are(path: Path) -> None:
    assert private_names(code(path)) == []
    for node in ast.walk(ast.parse(code(path))):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in ROOMS:
            module = importlib.import_module(str(node.module))
            assert [each.name for each in node.names if not hasattr(module, each.name)] == []


def test_a_private_name_is_found() -> None:
    assert private_names("from a._b import _c\nd._e") == ["_b", "_c", "_e"]


def test_each_notebook_stands_in_the_site_and_in_the_manual() -> None:
    config = (ROOT / ".ci" / "docs" / "mkdocs.yml").read_text(encoding="utf-8")
    [group] = [each["Notebooks"] for each in yaml.safe_load(config)["nav"] if "Notebooks" in each]
    pages = [page for entry in group for page in entry.values()]
    assert pages == ["ems/notebooks.md", *(f"notebooks/{name}.md" for name in IDS)]
    manual = (ROOT / "docs" / "ems" / "notebooks.md").read_text(encoding="utf-8")
    assert [name for name in IDS if f"| `{name}` |" not in manual] == []


def test_a_notebook_without_its_project_is_refused_in_one_sentence(tmp_path: Path) -> None:
    done = execute(tmp_path, tmp_path / "out", "1", timeout_s=120)
    assert done.returncode == 1
    assert f"no Meterloom project in {tmp_path} (it has no meterloom.yaml)" in done.stderr
    assert "METERLOOM_PROJECT=FOLDER" in done.stderr
    assert "File " not in done.stderr
    assert not list((tmp_path / "out").glob("*.ipynb"))


def test_a_name_that_no_notebook_has_is_refused(tmp_path: Path) -> None:
    done = execute(tmp_path, tmp_path / "out", "1", "nine", timeout_s=60)
    assert done.returncode == 2
    assert "no notebook begins with nine" in done.stderr


def test_a_page_shows_outputs_of_the_same_code_alone(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("notebook_pages", ROOT / ".ci" / "docs" / "notebook_pages.py")
    assert spec is not None
    assert spec.loader is not None
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    path, made = NOTEBOOKS[0], tmp_path / "made.ipynb"
    assert "built without them" in pages.page(path, made)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    first = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    data = {"text/plain": ["1 < 2"]}
    first["outputs"] = [{"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": 1}]
    made.write_text(json.dumps(notebook), encoding="utf-8")
    assert "<pre>1 &lt; 2</pre>" in pages.page(path, made)
    assert "built without them" not in pages.page(path, made)
    first["source"] = ["2 + 2"]
    made.write_text(json.dumps(notebook), encoding="utf-8")
    assert "<pre>" not in pages.page(path, made)
