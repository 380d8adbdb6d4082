"""Days, hours and ticks of pages are the site's, through every change of its clock."""

from datetime import UTC, date, datetime, timedelta

import pytest

from data_quality.contracts.time import Period, parse_period, zone
from reports.pages.address import Address
from reports.pages.energy import MOST_TICKS, label_of, same_slot, slot_of, slots_in_order, ticks
from reports.pages.header import beside
from reports.pages.live_points import point_page
from reports.pages.why_parts import _labels
from reports.pages.widgets import plan_ahead
from reports.texts.locales import moment
from tests.reports import plant
from tests.web.widgets_golden import live_value, planned

STEP = timedelta(minutes=15)


def quarters(period: Period) -> list[datetime]:
    return [period.start_utc + place * STEP for place in range(int((period.end_utc - period.start_utc) / STEP))]


@pytest.mark.parametrize(
    ("zone", "day", "count"),
    [
        ("Europe/Berlin", "2025-03-30", 92),
        ("Europe/Berlin", "2025-10-26", 100),
        ("America/New_York", "2025-11-02", 100),
        ("Asia/Kathmandu", "2025-03-30", 96),
        ("Australia/Lord_Howe", "2025-04-06", 98),
    ],
)
def test_every_quarter_hour_of_a_day_has_a_label_of_its_own(zone: str, day: str, count: int) -> None:
    period = parse_period(day, zone)
    labels = [slot_of(at, zone) for at in quarters(period)]
    assert len(labels) == len(set(labels)) == count
    assert slots_in_order(set(labels)) == labels


def test_the_repeated_hour_says_its_pass_and_the_skipped_one_is_nowhere() -> None:
    autumn = [slot_of(at, "Europe/Berlin") for at in quarters(parse_period("2025-10-26", "Europe/Berlin"))]
    assert autumn[8:17] == [
        "02:00 A", "02:15 A", "02:30 A", "02:45 A", "02:00 B", "02:15 B", "02:30 B", "02:45 B", "03:00",
    ]  # fmt: skip
    spring = [slot_of(at, "Europe/Berlin") for at in quarters(parse_period("2025-03-30", "Europe/Berlin"))]
    assert not any(each.startswith("02") for each in spring)
    assert same_slot("02:15 A") == "02:15"
    assert label_of(datetime(2025, 10, 26, 1, tzinfo=UTC), "hour", "Europe/Berlin") == "2025-10-26 02:00 B"
    assert label_of(datetime(2025, 2, 28, 23, tzinfo=UTC), "month", "Europe/Berlin") == "2025-03"


def test_moments_and_the_hours_behind_a_figure_say_the_pass_too() -> None:
    starts = [datetime(2025, 10, 26, hour, 30, tzinfo=UTC) for hour in (0, 1)]
    told = [moment(each.astimezone(zone("Europe/Berlin")), "en") for each in starts]
    assert [each.rpartition(", ")[2] for each in told] == ["02:30 A", "02:30 B"]
    assert _labels([f"{each:%Y-%m-%dT%H:%MZ}" for each in starts], "hour", "Europe/Berlin") == ["02:30 A", "02:30 B"]


def test_ticks_of_changed_days_stand_where_the_clock_says() -> None:
    texts = dict(ticks(parse_period("2025-10-26", "Europe/Berlin")))
    assert [text for text in texts.values() if text.startswith("02")] == ["02:00 A", "02:00 B"]
    spring = ticks(parse_period("2025-03-30", "Europe/Berlin"))
    assert [text for _, text in spring] == ["30 Mar", *(f"{hour:02d}:00" for hour in range(4, 24, 2))]
    assert spring[1][0] - spring[0][0] == 3 * 3600


@pytest.mark.parametrize("text", ["2025-03-30", "2025-03-28/2025-04-01", "2025-03", "2025-Q1", "2025", "2019/2025"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu"])
def test_an_axis_has_room_for_its_ticks_and_they_lie_in_it(text: str, zone: str) -> None:
    if text == "2019/2025":
        period = Period(label=text, start=date(2019, 1, 1), end=date(2025, 1, 1), time_zone=zone)
    else:
        period = parse_period(text, zone)
    found = ticks(period)
    assert 2 <= len(found) <= MOST_TICKS + 2
    at = [second for second, _ in found]
    assert at == sorted(set(at))
    assert period.start_utc.timestamp() <= at[0]
    assert at[-1] < period.end_utc.timestamp()
    # Hours come again every day; days, months and years do not.
    assert 1 < period.days <= 4 or len({label for _, label in found}) == len(found)


@pytest.mark.parametrize(
    ("text", "earlier", "later"),
    [
        ("2025-03", "2025-02", "2025-04"),
        ("2025-Q1", "2024-10-01/2025-01-01", "2025-04-01/2025-07-01"),
        ("2024", "2023", "2025"),
        ("2025-03-30", "2025-03-29", "2025-03-31"),
        ("2025-03-24/2025-03-31", "2025-03-17/2025-03-24", "2025-03-31/2025-04-07"),
    ],
)
def test_the_period_before_and_after_is_as_long_by_the_calendar(text: str, earlier: str, later: str) -> None:
    period = parse_period(text, "Europe/Berlin")
    assert beside(period, is_after=False) == earlier
    assert beside(period, is_after=True) == later


def test_a_repeated_hour_has_its_passes_in_a_plan_and_a_live_quarter_hour_its_end() -> None:
    """In Berlin the clock shows 02:45 twice on the last Sunday of October, and no 02:00 on that of March."""
    starts = [datetime(2027, 10, 30, 23, 45, tzinfo=UTC) + timedelta(hours=each) for each in range(5)]
    past, *edges = (each.astimezone(zone(plant.ZONE)) for each in starts)
    chart = plan_ahead.view(planned().model_copy(update={"past": (past,), "edges": tuple(edges)})).chart
    assert chart is not None
    assert [each[11:] for each in chart.x] == ["01:45", "02:45 A", "02:45 B", "03:45"]
    for month, text in ((3, "01:45 to 03:00"), (10, "02:45 A to 02:00 B")):
        at = datetime(2027, month, {3: 28, 10: 31}[month], 0, 50, tzinfo=UTC)
        value = live_value(0).model_copy(update={"what": "register", "at_utc": at})
        page = point_page(
            Address(path="/why"), value, site=plant.plant_site(), origin_rows=(), now_utc=at, every_s={}
        )  # fmt: skip
        assert f"the quarter hour {text} of main.import" in page.model_dump_json()
