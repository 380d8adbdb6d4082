"""docs/ems/forecasting.md says what the commands print, counts the features that there are, and names every model."""

import re
from pathlib import Path

import pytest

from ml.forecasts.lifecycle.forecast_registry import FITTERS, PATIENT_FITTERS
from tests.ml.forecasts.forecast_page import PAGE, filled


def test_every_example_of_the_page_prints_what_it_shows(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("$ meterloom forecast ") == 2
    second = filled(page, tmp_path)
    assert words_of(second) == words_of(page)
    # Trees split at thresholds: another processor's last bit of a sine may move a forecast by a little.
    assert numbers_of(second) == pytest.approx(numbers_of(page), rel=0.03, abs=2)


def test_the_comparison_of_pages_notices_another_word_and_another_size() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert words_of(page.replace("ensemble: NRMSE", "blend: NRMSE")) != words_of(page)
    assert numbers_of(page.replace("same hour last week 13.0%", "same hour last week 19.0%")) != pytest.approx(
        numbers_of(page), rel=0.03, abs=2
    )


NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


def words_of(page: str) -> str:
    """The page without its numbers, nor the room that they take."""
    return re.sub(r" +", " ", NUMBER.sub("#", page))


def numbers_of(page: str) -> list[float]:
    """Its numbers, in order."""
    return [float(found) for found in NUMBER.findall(page)]


def test_a_changed_count_of_features_is_noticed() -> None:
    from tests.ml.forecasts.forecast_page import features

    assert features() in PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_model_that_is_tried() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [each.algorithm for each in (*FITTERS, *PATIENT_FITTERS) if f"`{each.algorithm}`" not in page] == []
