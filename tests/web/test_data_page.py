"""The quality calendar: what is missing is shown, what is to come is not, and a generator is no gap."""

import html
import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from data_quality.contracts.time import FixedClock, Period
from reports.pages.address import Address
from reports.pages.data_days import DayRead, data_page
from reports.pages.page import Calendar, Cards
from tests.web.asking import PAGE
from tests.web.marts_world import Asking
from tests.web.why_world import tenant

APRIL = Period(label="2026-04", start=date(2026, 4, 1), end=date(2026, 5, 1), time_zone="Europe/Berlin")


def test_a_day_that_is_not_over_is_no_day_below_its_share() -> None:
    day = date(2026, 4, 4)
    page = data_page(
        Address(path="/data", site="plant"), site_name="Plant", month=APRIL, months=[APRIL.start],
        meters={"main": "Main"}, days={("main", day): DayRead(0.125, 0.0)}, last_day=day, today=day,
        refused=[], is_partial=False, is_synthetic=False,
    )  # fmt: skip
    [calendar] = [each for part in page.parts for each in part.blocks if isinstance(each, Calendar)]
    shown = calendar.rows[0].days[3]
    assert (shown.state, str(shown.text)) == ("running", "12.5 % of readings so far")
    # On the first of a month no day of it is over: no meter is without a gap for that.
    first = data_page(
        Address(path="/data", site="plant"), site_name="Plant", month=APRIL, months=[APRIL.start],
        meters={"main": "Main"}, days={}, last_day=APRIL.start, today=APRIL.start, refused=[], is_partial=False,
        is_synthetic=False,
    )  # fmt: skip
    [cards] = [each for part in first.parts for each in part.blocks if isinstance(each, Cards)]
    figures = {each.key: (each.value.text, each.value.unit) for each in cards.widgets if each.value}
    assert [figures[key] for key in ("coverage", "meters_complete", "days_gaps")] == [("–", "")] * 3
    # Nobody is led to a place that is not there.
    assert (page.first, [each for each, _ in page.links]) == (None, ["Connections"])


def test_each_day_of_a_meter_has_one_state_and_days_to_come_are_no_gap() -> None:
    read = {1: (1.0, 0.0), 2: (0.97, 0.0), 3: (0.85, 0.0), 4: (0.3, 0.0), 5: (1.0, 0.25)}
    page = data_page(
        Address(path="/data", site="plant"), site_name="Plant", month=APRIL, months=[APRIL.start],
        meters={"main": "Main"}, days={("main", date(2026, 4, day)): DayRead(*each) for day, each in read.items()},
        last_day=date(2026, 4, 6), today=date(2026, 4, 9), refused=[], is_partial=True, is_synthetic=False,
    )  # fmt: skip
    [calendar] = [each for part in page.parts for each in part.blocks if isinstance(each, Calendar)]
    [row] = calendar.rows
    states = ["complete", "good", "fair", "low", "estimated", "none", "ahead"]
    assert [each.state for each in row.days[:7]] == states
    assert [str(each.text) for each in row.days[3:7]] == ["30.0 % of readings", "25.0 % estimated", "no readings", ""]
    assert len(calendar.columns) == len(row.days) == 30
    # Of the six days that are over and not ahead, two were read in full.
    [cards] = [each for part in page.parts for each in part.blocks if isinstance(each, Cards)]
    figures = {each.key: (each.value.text, str(each.value.note)) for each in cards.widgets if each.value}
    assert figures["coverage"][0] == "68.7"
    assert row.coverage == "68.7 %"
    assert figures["meters_complete"] == ("0", "of 1 meters")
    assert figures["days_gaps"] == ("4", "1 meter days estimated in part")
    assert figures["quarantine"] == ("0", "nothing to decide")
    # A dash with a sign of percent would be read as a share.
    nothing = data_page(
        Address(path="/data", site="plant"), site_name="Plant", month=APRIL, months=[APRIL.start],
        meters={"main": "Main"}, days={}, last_day=date(2026, 3, 31), today=date(2026, 4, 9), refused=[],
        is_partial=True, is_synthetic=False,
    )  # fmt: skip
    [calendar] = [each for part in nothing.parts for each in part.blocks if isinstance(each, Calendar)]
    assert calendar.rows[0].coverage == ""
    assert "only generate" in str(page.parts[0].blocks[-1])


def test_the_page_shows_the_newest_month_with_every_meter_and_what_was_refused(acted: Asking) -> None:
    text = html.unescape(acted.get("/data", headers=[PAGE], site="plant").text)
    assert "Quality by meter and day" in text
    assert 'class="day-q q-complete"' in text
    assert "Quarantine" in text
    assert ('class="btn first" href="#upload"' in text) is ('id="part-upload"' in text or 'id="upload"' in text)


def test_on_the_first_of_a_month_the_page_opens_with_the_month_that_is_over(acted: Asking) -> None:
    for day, opened in ((1, "2025-02"), (2, "2025-03")):
        then = replace(acted, clock=FixedClock(datetime(2025, 3, day, 12, tzinfo=UTC)))
        at_first, asked = (
            then.get("/data", headers=[PAGE], site="plant", **of).text for of in ({}, {"period": opened})
        )
        [shown, wanted] = [re.findall(r'class="hint">([^<]*2025)<', text) for text in (at_first, asked)]
        assert shown == wanted != [], day


@pytest.mark.parametrize("period", ["2026-13", "never"])
def test_a_month_that_there_is_not_is_one_sentence(period: str, acted: Asking) -> None:
    answer = acted.get("/data", headers=[PAGE], site="plant", period=period)
    assert answer.status == 400
    assert period in html.unescape(answer.text)


def test_who_sees_a_part_of_the_site_is_refused(acted: Asking) -> None:
    assert tenant(acted).get("/data", headers=[PAGE], site="plant").status in (403, 404)
