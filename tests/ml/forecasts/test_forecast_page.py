"""docs/ems/forecasting.md says what the commands print, counts the features that there are, and names every model."""

from pathlib import Path

from ml.forecasts.life.forecast_registry import FITTERS
from tests.ml.forecasts.forecast_page import PAGE, filled


def test_every_example_of_the_page_prints_what_it_shows(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("$ meterloom forecast ") == 2
    assert filled(page, tmp_path) == page


def test_a_changed_count_of_features_is_noticed() -> None:
    from tests.ml.forecasts.forecast_page import features

    assert features() in PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_model_that_is_tried() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [each.algorithm for each in FITTERS if f"`{each.algorithm}`" not in page] == []
