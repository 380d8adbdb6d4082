"""The report's own words: a plan reads in the site's language, a misspelled key is one sentence."""

from pathlib import Path

import pytest

from data_quality.contracts.yaml_file import BadConfiguration
from reports.content.findings_table import DRAFT, SIMULATED
from reports.content.templates import BUILT_IN, read_template
from reports.render.render_pdf_text import east_asian_font, is_east_asian, runs_of, text_width
from reports.texts.locales import rules_of, word
from reports.texts.mv_plan import NOT_AGREED, NOT_FITTED, plan_rows
from tests.life.world import works_site


def test_a_plan_reads_in_german_and_every_heading_has_a_word() -> None:
    site = works_site()
    rows = plan_rows(site.projects[0], site.seus[0], site, None, "de_DE", {})
    english = plan_rows(site.projects[0], site.seus[0], site, None, "en", {})
    assert [key for key, _, _ in rows] == [key for key, _, _ in english]
    headings = {each for _, each, _ in english}
    assert headings <= set(rules_of("de").reports)
    assert {each for _, each, _ in rows}.isdisjoint(headings - {"Installation"})
    told = {key: text for key, _, text in rows}
    assert told["price_basis"] == word(NOT_AGREED, "de") == "nicht vereinbart"
    assert told["baseline"] == word(NOT_FITTED, "de")
    assert {DRAFT, SIMULATED} <= set(rules_of("de").reports)


def test_a_misspelled_key_is_one_mistake_and_says_which_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "data_quality.yaml"
    text = (BUILT_IN / "data_quality.yaml").read_text()
    path.write_text(text.replace("    titles: {en: Data quality,", "    titels: {en: Data quality,"))
    with pytest.raises(BadConfiguration) as caught:
        read_template(path)
    assert len(caught.value.problems) == 1
    assert (
        "unknown key 'sections.0.titels'; allowed here: blocks, key, starts_page, titles; did you mean 'titles'?"
        in str(caught.value)
    )


@pytest.mark.parametrize(
    ("text", "font"),
    [("上海工厂", "STSong-Light"), ("東京カメラ", "HeiseiMin-W3"), ("서울 공장", "HYSMyeongJo-Medium")],
)
def test_east_asian_letters_stand_in_a_font_of_their_script(text: str, font: str) -> None:
    assert east_asian_font(text) == font
    assert any(map(is_east_asian, text))
    runs = runs_of(f"Werk {text}", "Helvetica")
    assert runs[0] == ("Helvetica", "Werk ")
    assert {used for used, part in runs if part.strip() and part != "Werk "} == {font}
    assert text_width(text, "Helvetica", 10.0) > 8.0 * len(text.replace(" ", ""))
