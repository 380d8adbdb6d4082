"""Curtailment plans over the library of sheddable loads."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from controls.demand_response.curtailment import Event, Library, check_event, library_for, plan_curtailment
from data_quality.contracts.control.curtailment import CurtailmentPlan
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.sheddable_load import SheddableLoad
from data_quality.contracts.site_file.site import Site

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
START = datetime(2026, 7, 1, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)


def load(name: str, kw: Any = 10.0, **terms: Any) -> dict[str, Any]:
    return {"load_id": name, "meter": "main", "max_shed_kw": kw, "max_minutes": 240, **terms}


def site_of(*loads: dict[str, Any]) -> Site:
    return Site.model_validate(
        {
            "site_id": "plant", "name": "Plant", "time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE",
            "meters": [{"meter_id": "main"}],
            "drivers": [{"driver_id": "outdoor_degc", "unit": "degc", "aggregation": "mean"}],
            "sheddable_loads": list(loads),
        }
    )  # fmt: skip


def event(kw: float, hours: float = 1.0) -> Event:
    return Event(START, START + hours * HOUR, kw)


def ready(site: Site, requested: Event, **known: Any) -> Library:
    return library_for(site, requested, now_utc=NOW, **{"drivers": {}, "drawn_kw": {}, **known})


def planned(site: Site, requested: Event, preference: Any = "cost", **known: Any) -> CurtailmentPlan:
    found = plan_curtailment(site, requested, ready(site, requested, **known), preference=preference)
    assert isinstance(found, CurtailmentPlan)
    return found


def refused(site: Site, requested: Event, **known: Any) -> Finding:
    found = plan_curtailment(site, requested, ready(site, requested, **known), preference="cost")
    assert isinstance(found, Finding)
    return found


def shed_kwh(plan: CurtailmentPlan) -> dict[str, float]:
    found = dict[str, float]()
    for step in plan.steps:
        found[step.load] = found.get(step.load, 0.0) + step.kw * ((step.end_utc - step.start_utc) / HOUR)
    return found


DEAR_FIRST = site_of(
    load("dear", cost_per_kwh=0.9, discomfort=0.0), load("cheap", cost_per_kwh=0.1, discomfort=0.8)
)  # fmt: skip


@pytest.mark.parametrize(("preference", "used"), [("cost", "cheap"), ("order", "dear"), ("comfort", "dear")])
def test_a_plan_takes_the_loads_that_are_preferred(preference: str, used: str) -> None:
    assert shed_kwh(planned(DEAR_FIRST, event(10), preference)) == {used: 10.0}


def test_cost_interval_and_rebound_are_those_of_the_loads_that_are_used() -> None:
    tested = {"basis": "tested", "on": date(2026, 6, 1), "half_width_share": 0.3}
    site = site_of(
        load("a", cost_per_kwh=0.1, rebound_share=0.5, evidence=tested), load("b", 5, cost_per_kwh=0.2, evidence=tested)
    )
    plan = planned(site, event(14))
    assert (plan.expected_kwh, plan.cost, plan.rebound_kwh) == pytest.approx((14, 1.8, 5))
    half_kwh = (3**2 + 1.2**2) ** 0.5
    assert plan.interval_kwh == pytest.approx((14 - half_kwh, 14 + half_kwh))


def test_a_target_above_the_library_is_refused_with_the_most_that_it_gives() -> None:
    found = refused(DEAR_FIRST, event(25))
    assert (found.code, found.is_blocking, found.facts["most_kw"]) == ("target_above_library", True, 20.0)


def test_a_load_is_shed_no_longer_than_its_minutes_and_others_take_over() -> None:
    site = site_of(load("short", max_minutes=30, cost_per_kwh=0.1), load("long", cost_per_kwh=0.5))
    assert shed_kwh(planned(site, event(10))) == {"short": 5.0, "long": 5.0}


def test_terms_that_leave_too_little_at_some_time_are_refused_with_what_they_give() -> None:
    found = refused(site_of(load("short", max_minutes=30), load("long")), event(15))
    assert found.facts["most_kw"] == pytest.approx(10, abs=0.2)
    # Nothing is said of a connection: the site's own carries more.
    assert "the whole target is shed" in found.message
    assert "the connection imports" not in found.message


def contacts(requested: Event) -> tuple[Site, Library]:
    """Twenty contacts with rests."""
    loads = [load(f"l{n}", 5.0 + n, max_minutes=60 + 60 * (n % 3), rest_minutes=30, is_whole=True, cost_per_kwh=0.1)
             for n in range(20)]  # fmt: skip
    site = site_of(*loads)
    return site, ready(site, requested)


def test_a_plan_that_is_not_found_in_time_is_not_told_as_too_few_loads() -> None:
    dr_event = event(250, hours=24)
    site, library = contacts(dr_event)
    found = plan_curtailment(site, dr_event, library, preference="cost", time_limit_s=0.001)
    assert isinstance(found, Finding)
    assert (found.code, found.facts) == ("no_plan_in_time", {"time_limit_s": 0.001, "target_kw": 250.0})
    # 255 kW contacts cannot give even where each may be open for a part: that needs no search.
    dr_event = event(255, hours=24)
    above = plan_curtailment(site, dr_event, ready(site, dr_event), preference="cost", time_limit_s=0.001)
    assert isinstance(above, Finding)
    assert above.code == "target_above_library"


@pytest.mark.parametrize("time_limit_s", [0.001, 1.0])
def test_a_plan_that_is_not_proved_the_best_gives_its_target_and_says_so(time_limit_s: float) -> None:
    dr_event = event(40, hours=24)
    site, library = contacts(dr_event)
    plan = plan_curtailment(site, dr_event, library, preference="cost", time_limit_s=time_limit_s)
    assert isinstance(plan, CurtailmentPlan)
    assert plan.gap is not None
    assert plan.gap > 1e-4
    assert f"up to {ceil(100 * plan.gap)} %" in plan.gap_text
    assert not any("proved" in each for each in plan.limits)
    assert plan.digest != CurtailmentPlan.sealed(**plan.model_dump(exclude={"id", "digest", "gap"})).digest
    for start, end in dr_event.steps():
        assert sum(step.kw for step in plan.steps if step.start_utc <= start and step.end_utc >= end) >= 40 - 0.01
    for n in range(20):
        own = sorted((step.start_utc, step.end_utc) for step in plan.steps if step.load == f"l{n}")
        assert all(end - start <= timedelta(minutes=60 + 60 * (n % 3)) for start, end in own)
        assert all(then[0] - one[1] >= timedelta(minutes=30) for one, then in pairwise(own))


def test_a_contact_is_shed_whole_or_not_at_all() -> None:
    plan = planned(site_of(load("contact", 10, is_whole=True)), event(4))
    assert {step.kw for step in plan.steps} == {10.0}


def test_no_load_gives_more_than_its_meter_usually_draws() -> None:
    dr_event = event(5)
    library = ready(site_of(load("idle")), dr_event, drawn_kw={"main": [4.0] * 4})
    assert library.ready[0].most_kw == (4.0,) * 4
    assert "usually draws less" in library.limits[0]
    assert refused(site_of(load("idle")), dr_event, drawn_kw={"main": [4.0] * 4}).facts["most_kw"] == 4.0


def test_a_load_by_temperature_gives_what_lies_between_its_points_and_nothing_without_one() -> None:
    site = site_of(load("chiller", {"driver": "outdoor_degc", "points": [[10, 0], [30, 40]]}))
    assert ready(site, event(5), drivers={"outdoor_degc": 20.0}).ready[0].most_kw == (20.0,) * 4
    without = ready(site, event(5))
    assert (without.ready, "outdoor_degc" in without.limits[0]) == ((), True)


def test_hours_are_those_of_the_sites_clock() -> None:
    # 14:00 UTC is 16:00 in Berlin.
    site = site_of(load("oven", [0.0] * 16 + [7.0] + [0.0] * 7))
    assert ready(site, event(5)).ready[0].most_kw == (7.0,) * 4


def test_a_load_that_needs_more_notice_than_there_is_stays_out() -> None:
    library = ready(site_of(load("slow", notice_minutes=361), load("quick", notice_minutes=360)), event(5))
    assert [each.load.load_id for each in library.ready] == ["quick"]


def test_loads_that_rebound_come_back_one_after_the_other_within_ten_minutes() -> None:
    site = site_of(*(load(f"pump{n}", rebound_share=0.3) for n in range(5)), load("light"))
    plan = planned(site, event(60))
    at = [each.at_utc - plan.end_utc for each in plan.returns if each.rebound_kwh]
    assert len({*at}) == 5
    assert max(at) < timedelta(minutes=10)
    assert [each.at_utc for each in plan.returns if not each.rebound_kwh] == [plan.end_utc]


def test_the_digest_is_of_every_step_and_the_id_is_part_of_it() -> None:
    first, same, other = (planned(DEAR_FIRST, event(kw)) for kw in (10, 10, 11))
    assert first == same
    assert first.digest != other.digest
    assert first.id.endswith(first.digest[:12])


@settings(max_examples=30, deadline=None)
@given(
    kws=st.lists(st.floats(1, 50), min_size=1, max_size=5),
    minutes=st.lists(st.sampled_from([15, 30, 60, 240]), min_size=5, max_size=5),
    whole=st.lists(st.booleans(), min_size=5, max_size=5),
    share=st.floats(0.05, 1.2),
    hours=st.sampled_from([0.25, 0.7, 1.0, 2.0]),
)
def test_whatever_the_loads_a_plan_gives_its_target_and_keeps_every_term(
    kws: list[float], minutes: list[int], whole: list[bool], share: float, hours: float
) -> None:
    site = site_of(
        *(load(f"l{n}", kw, max_minutes=minutes[n], is_whole=whole[n], cost_per_kwh=n / 10) for n, kw in enumerate(kws))
    )
    dr_event = event(share * sum(kws), hours)
    found = plan_curtailment(site, dr_event, ready(site, dr_event), preference="cost")
    if isinstance(found, Finding):
        assert found.code == "target_above_library"
        assert float(found.facts["most_kw"] or 0) <= dr_event.target_kw
        return
    for start, end in dr_event.steps():
        running = [step for step in found.steps if step.start_utc <= start and step.end_utc >= end]
        assert sum(step.kw for step in running) >= dr_event.target_kw - 0.01 * len(kws)
    for n, kw in enumerate(kws):
        own = [step for step in found.steps if step.load == f"l{n}"]
        assert all(step.kw <= kw + 1e-3 for step in own)
        assert sum((step.end_utc - step.start_utc for step in own), timedelta()) <= timedelta(minutes=minutes[n])
        if whole[n]:
            assert all(step.kw == pytest.approx(kw, abs=1e-3) for step in own)


WRONG = {
    "an end before the start": ((START, START - HOUR, 5), "bad_event"),
    "the past": ((NOW - HOUR, START, 5), "event_past"),
    "more than a year ahead": ((START.replace(year=9999), START.replace(year=9999) + HOUR, 5), "event_too_far"),
    "more than a day": ((START, START + 25 * HOUR, 5), "bad_event"),
    "no target": ((START, START + HOUR, 0), "bad_target"),
    "a target that is no number": ((START, START + HOUR, float("nan")), "bad_target"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_event_that_cannot_be_is_refused(name: str) -> None:
    dr_event, reason = WRONG[name]
    with pytest.raises(BadInput) as refusal:
        check_event(Event(*dr_event), now_utc=NOW)
    assert refusal.value.reason == reason


BAD_LOADS = {
    "neither asset nor meter": {"meter": None},
    "23 hours": {"max_shed_kw": [1.0] * 23},
    "nothing in any hour": {"max_shed_kw": [0.0] * 24},
    "evidence of a test without its day": {"evidence": {"basis": "tested", "half_width_share": 0.1}},
    "points that fall": {"max_shed_kw": {"driver": "outdoor_degc", "points": [[20, 5], [10, 9]]}},
    "a misspelt key": {"max_minute": 5},
}


@pytest.mark.parametrize("name", BAD_LOADS)
def test_a_load_that_contradicts_itself_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        SheddableLoad.model_validate(load("x") | BAD_LOADS[name])


@pytest.mark.parametrize("key", ["asset", "meter"])
def test_a_load_names_what_its_site_has(key: str) -> None:
    with pytest.raises(ValidationError, match="sheddable load 'x'"):
        site_of(load("x") | {key: "nobody"})


def test_the_proved_best_plan_has_no_gap_and_one_from_before_gaps_keeps_its_digest() -> None:
    dr_event = event(5)
    site = site_of(load("a", 10.0))
    plan = plan_curtailment(site, dr_event, ready(site, dr_event), preference="cost")
    assert isinstance(plan, CurtailmentPlan)
    assert (plan.gap, plan.gap_text) == (0.0, "")
    before = {key: value for key, value in plan.model_dump(mode="json").items() if key != "gap"}
    assert CurtailmentPlan.model_validate(before).model_dump(mode="json") == before
