"""Display text: half-up, by locale, never a lone minus zero."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.chart_geometry import label_places, nice_ticks, runs
from reports.content.register import ranges
from reports.render.render_pdf_text import printable
from reports.texts.locales import format_number, unit_text, written
from reports.writer import standing_of, words


@pytest.mark.parametrize(
    ("value", "decimals", "locale", "text"),
    [
        (Decimal("12450.5"), 1, "en", "12,450.5"),
        (Decimal("12450.5"), 1, "de_DE", "12.450,5"),
        (Decimal("12450.5"), 0, "en", "12,451"),
        (Decimal("-0.04"), 1, "en", "0.0"),
        (Decimal("-1649.4"), 0, "fr", "−1\u00a0649"),
        (Decimal("-1649.4"), 0, "ar", "-1,649"),
        (Decimal("-1649.4"), 0, "", "-1,649"),
        (0.1, 3, "de-AT", "0,100"),
        (None, 2, "en", "–"),
    ],
)
def test_a_number_reads_as_its_locale_writes_it(
    value: Decimal | float | None, decimals: int, locale: str, text: str
) -> None:
    assert format_number(value, decimals=decimals, locale=locale) == text


def test_a_signed_number_shows_its_plus_but_zero_has_none() -> None:
    assert format_number(Decimal(3), decimals=0, locale="en", signed=True) == "+3"
    assert format_number(Decimal("0.2"), decimals=0, locale="en", signed=True) == "0"


def test_units_read_as_people_write_them() -> None:
    assert [unit_text(unit) for unit in ("kwh", "EUR", "CZK", "ratio")] == ["kWh", "€", "CZK", ""]


@given(st.decimals(-(10**9), 10**9, places=9), st.integers(0, 6))
def test_display_is_within_half_a_last_digit(value: Decimal, decimals: int) -> None:
    shown = Decimal(format_number(value, decimals=decimals, locale="").replace(",", ""))
    assert abs(shown - value) <= Decimal(1).scaleb(-decimals) / 2


def test_references_are_short_ranges() -> None:
    assert ranges([5, 3, 4, 9, 9]) == "3–5, 9"
    assert ranges([]) == ""


@given(st.floats(1e-6, 1e12))
def test_the_value_axis_reaches_over_the_highest_value(highest: float) -> None:
    ticks = nice_ticks(highest)
    assert ticks[0] == 0
    assert ticks[-1] >= highest * (1 - 1e-9)
    assert 4 <= len(ticks) <= 7


def test_an_empty_chart_still_has_an_axis() -> None:
    assert nice_ticks(0) == [0.0, 1.0]


def test_a_gap_splits_a_line() -> None:
    assert runs([1.0, None, None, 2.0, 3.0]) == [[(0, 1.0)], [(3, 2.0), (4, 3.0)]]


def test_day_labels_stand_at_months_when_halves_do_not_fit() -> None:
    days = [f"2025-{month:02d}-{day:02d}" for month in range(1, 13) for day in range(1, 29)]
    assert [days[place] for place in label_places(days, 14)] == [f"2025-{month:02d}-01" for month in range(1, 13)]
    assert len(label_places([str(day) for day in range(100)], 14)) <= 14
    assert label_places(["a", "b"], 14) == [0, 1]


def test_letters_that_the_fonts_lack_lose_their_marks_only() -> None:
    assert printable("Dům Łódź – 5 m² ≤ 3 €") == "Dům Łódź – 5 m² ≤ 3 €"


def test_a_use_stands_by_one_word() -> None:
    known = [("compliant", "improved"), ("compliant", "on_target"), ("warning", "degraded"), ("critical", "degraded")]
    said = [
        words(standing_of(*each)) for each in [*known, ("warning", "improved"), ("not_assessable", "not_assessable")]
    ]
    assert said == ["Improved", "On target", "Watch", "Act", "Watch", "Not assessable"]


def test_numbers_in_a_sentence_are_written_as_its_language_does() -> None:
    told = "Recomputed EQUAL from the readings: 1,571,465.736 kWh."
    assert written(told, "de") == "Recomputed EQUAL from the readings: 1.571.465,736 kWh."
    assert written(told, "en") == written(told, "ar") == told
    assert written("2.13%, held out 2.14%", "de_DE") == "2,13\u00a0%, held out 2,14\u00a0%"
    assert written("2025-03-01 to 2025-03-31, v1.", "de") == "2025-03-01 to 2025-03-31, v1."
    assert written("E = -1.5 + -2e-05 · X", "de") == "E = −1,5 + −2e-05 · X"
