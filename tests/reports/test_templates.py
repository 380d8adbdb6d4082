"""Templates as files: a new report needs no Python, and whatever is wrong in one is named with its file and line."""

from pathlib import Path

import pytest

from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.report_template import parse_question
from data_quality.contracts.yaml_file import BadConfiguration
from reports.content.template_report import questions_of
from reports.content.templates import load_template, read_template, template_files
from reports.datasets.dataset_registry import FACTS, MAKERS, MEASURES

GOOD = """template: mine
version: 1
titles: My report
descriptions: Ours
periods: [quarter]
sections:
  - key: one
    titles: One
    blocks:
      - tiles:
          - {labels: Energy, value: site.consumption_kwh}
      - table:
          key: months
          titles: Months
          sheet: Months
          each: month
          columns:
            - {titles: Energy, value: site.consumption_kwh}
"""


def written(folder: Path, text: str) -> Path:
    """The text as a template file of that name."""
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_every_template_of_the_package_holds_and_asks_what_there_is() -> None:
    names = template_files()
    assert {"executive_summary", "ghg_inventory", "bill_reconciliation", "data_quality", "enpi_year"} <= set(names)
    for name in names:
        template = load_template(name)
        assert template.template == name
        for text in questions_of(template):
            asked = parse_question(text)
            assert asked.measure in {*MEASURES[asked.dataset], *FACTS[asked.dataset]}


def test_every_dataset_is_made_and_says_what_it_measures() -> None:
    assert set(MAKERS) == set(MEASURES) == set(FACTS)


def test_every_text_of_the_package_has_its_german_or_stays_english() -> None:
    for name in template_files():
        assert load_template(name).titles["de"]


@pytest.mark.parametrize(
    ("was", "now", "line", "words"),
    [
        ("version: 1", "version: 1\ncolour: red", 3, "unknown key 'colour'"),
        ("          key: months", "          key: months\n          colums: []", 14, "did you mean 'columns'?"),
        ("labels: Energy,", "labels: Energy, decimal: 2,", 11, "did you mean 'decimals'?"),
        (
            "{titles: Energy, value: site.consumption_kwh}",
            "{titles: E, value: site.consumtion_kwh}",
            18,
            "did you mean",
        ),
        ("{titles: Energy, value: site.consumption_kwh}", "{titles: E, value: weather.degc}", 18, "unknown dataset"),
        ("{titles: Energy, value: site.consumption_kwh}", "{titles: E, fact: site.colour}", 18, "has no fact"),
        ("{titles: Energy, value: site.consumption_kwh}", "{titles: E, value: site}", 18, "expected dataset.measure"),
        ("{titles: Energy, value: site.consumption_kwh}", "{titles: E, value: site.cost@tomorrow}", 18, "unknown span"),
        ("each: month", "each: fortnight", 16, "'month'"),
        ("periods: [quarter]", "periods: []", 5, "at least one"),
        ("titles: My report", "titles: {de: Mein Bericht}", 3, "English"),
        ("sheet: Months", "sheet: a/b", 15, "at most 31"),
        ("template: mine", "template: yours", 1, "give both one name"),
        ("      - tiles:", "      - findings: {}\n        tiles:", 10, "this one has 2"),
        ("titles: Months", "titles: 'Months of {place}'", 12, "the text names {place}, which `facts` does not give"),
        (
            "          each: month",
            "          each: month\n          facts: {a: site.colour}",
            17,
            "has no fact 'colour'",
        ),
        ("value: site.consumption_kwh}\n", "value: site.cost, scale: [site.power]}\n", 11, "has no measure 'power'"),
        ("periods: [quarter]", "periods: [quarter]\nlanguage: english", 6, "expected two lower-case letters"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, was: str, now: str, line: int, words: str) -> None:
    read_template(written(tmp_path, GOOD))
    with pytest.raises(BadConfiguration) as fault:
        read_template(written(tmp_path, GOOD.replace(was, now, 1)))
    assert any(words in f"{each.message}; {each.mend}" for each in fault.value.problems), str(fault.value)
    assert {each.line for each in fault.value.problems} == {line}
    assert fault.value.problems[0].file.endswith("mine.yaml")


def test_a_text_names_only_figures_that_it_gives(tmp_path: Path) -> None:
    block = "      - text: {texts: 'Took {energy}.', figures: {power: {value: site.cost}}}\n"
    with pytest.raises(BadConfiguration, match=r"the text names \{energy\}"):
        read_template(written(tmp_path, GOOD + block))


def test_a_difference_is_of_two(tmp_path: Path) -> None:
    row = "            - {titles: D, combine: difference, of: [site.cost]}\n"
    with pytest.raises(BadConfiguration, match="needs 2 questions, it has 1"):
        read_template(written(tmp_path, GOOD + row))


def test_an_unknown_report_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown report 'ghg_inventry'; there are anomalies, bill_rec") as fault:
        load_template("ghg_inventry", tmp_path)
    assert "ghg_inventory" in fault.value.mend


def test_a_projects_own_template_comes_first(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    written(tmp_path / "templates", GOOD)
    assert load_template("mine", tmp_path).titles == {"en": "My report"}
    own = tmp_path / "templates" / "executive_summary.yaml"
    own.write_text(GOOD.replace("template: mine", "template: executive_summary"))
    assert load_template("executive_summary", tmp_path).titles == {"en": "My report"}
    assert load_template("executive_summary").titles["en"] == "Executive summary"


PAGE = Path(__file__).resolve().parents[2] / "docs" / "ems" / "esg_reporting.md"


def test_the_template_of_the_documentation_holds(tmp_path: Path) -> None:
    text = "template:" + PAGE.read_text().partition("```yaml\ntemplate:")[2].partition("```")[0]
    path = tmp_path / "night_load.yaml"
    path.write_text(text)
    assert read_template(path).periods == ("year",)


def test_the_documentation_names_every_report_and_every_measure_of_the_small_datasets() -> None:
    text = PAGE.read_text()
    for name in template_files():
        assert f"| `{name}` |" in text
    for dataset in ("site", "footprint", "bills", "quality", "energy_balance", "floor_area"):
        assert set(MEASURES[dataset]) <= set(text.replace("`", " ").split())
