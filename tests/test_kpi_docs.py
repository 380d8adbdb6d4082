"""docs/ems/kpis.md is what the dbt project says, and a catalogue with a hole in it is refused."""

from pathlib import Path

import pytest

from tests.kpi_docs import COLUMNS, PAGE, PROJECT, catalogue, main, models, page

SEED = PROJECT / "seeds" / "kpi_catalogue.csv"


def test_the_page_is_what_the_project_says_now() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == page(catalogue(SEED), models(PROJECT)), "run python -m tests.kpi_docs"


def test_the_page_shows_every_kpi_of_the_catalogue_and_every_mart() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{row['kpi']}` |" in text for row in catalogue(SEED))
    assert all(f"### {path.stem}\n" in text for path in (PROJECT / "models" / "marts").glob("*.sql"))


def test_every_source_model_of_the_catalogue_is_a_model() -> None:
    known = {path.stem for path in (PROJECT / "models").rglob("*.sql")}
    named = {name.strip() for row in catalogue(SEED) for name in row["source_model"].split(";")}
    assert named <= known


def test_a_bar_in_a_formula_stays_in_its_cell() -> None:
    row = dict.fromkeys(COLUMNS, "x") | {"formula": "|a|", "definition": "<b>", "warning": "with care."}
    text = page([row], {"mart_x": {"description": "d", "columns": [{"name": "c", "description": "e"}]}})
    assert "| `x` | x | \\|a\\| | x | x | x | `x` |" in text
    assert "- **x** (`x`): &lt;b>. Warnings: with care." in text
    assert "### mart_x\n\nd\n\n| Column | Meaning |\n|---|---|\n| `c` | e |" in text


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["kpi,title"], "expected the columns kpi, title, formula"),
        ([",".join(COLUMNS), "a,b,,d,e,f,g,h,"], "line 2: formula must not be empty"),
        ([",".join(COLUMNS), "a,b,c,d,e,f,g,h,", "a,b,c,d,e,f,g,h,"], "line 3: KPI a appears twice"),
    ],
)
def test_a_catalogue_with_a_hole_is_refused_by_line(tmp_path: Path, lines: list[str], message: str) -> None:
    (tmp_path / "kpi_catalogue.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        catalogue(tmp_path / "kpi_catalogue.csv")


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path / "kpis.md")]) == 0
    assert (tmp_path / "kpis.md").read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")
