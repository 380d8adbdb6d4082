"""Validation of a site's month: raw readings stay, estimates stand beside them, and asking again changes nothing."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from assets.readings.ingest import judge_site as judging
from assets.readings.ingest.correct_site import MonthResult, validate_months
from assets.readings.ingest.judge_site import READER, judge_site
from assets.stores.lake.lake import BatchInfo, Lake
from assets.stores.ledgers.flags import latest_validations
from assets.stores.transactions import DatabaseError, open_store
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.site_file.vee import RuleFinding
from data_quality.contracts.time import FixedClock, local_midnight_utc, parse_period
from data_quality.rules.shared.rule_findings import merged
from data_quality.score import evaluate_months
from data_quality.validate import Validation
from tests.data_quality.meters import office, quarter_rows

# An hour before UTC all year: the office of these tests keeps no summer time.
ZONE = "Africa/Lagos"
START = datetime(2023, 12, 31, 23, tzinfo=UTC)
APRIL = slice(96 * 91, 96 * 121)
APRIL_UTC = START + timedelta(days=91)
SITE = Site.model_validate(
    {
        "site_id": "s",
        "name": "S",
        "time_zone": ZONE,
        "currency": "EUR",
        "country": "DE",
        "meters": [{"meter_id": "a"}, {"meter_id": "b", "parent": "a"}],
    }
)


class Plant:
    """A lake with four months of two meters."""

    def __init__(self, root: Path) -> None:
        self.store = open_store(f"sqlite:///{root / 'store.db'}")
        self.lake = Lake(root / "lake", self.store)
        self.clock = FixedClock(datetime(2025, 1, 1, tzinfo=UTC))
        self.files = 0

    def deliver(self, meter: str, values: NDArray[np.float64], *, is_correction: bool = False, code: int = 0) -> None:
        """A file of one meter, from START on."""
        self.files += 1
        rows = (
            quarter_rows(meter, values, start=START, code=code)
            .drop_nans("value")
            .with_columns(
                site_id=pl.lit("s"),
                interval_minutes=pl.lit(15, pl.Int32),
                source_line=pl.lit(1, pl.Int64),
                is_synthetic=pl.lit(value=False),
                is_correction=pl.lit(value=is_correction),
            )
        )
        info = BatchInfo(
            site_id="s",
            source_name=f"{self.files}.csv",
            source_sha256=f"{self.files:064d}",
            reader="csv",
            reader_version="1",
            accepted_rows=rows.height,
            rejected_rows=0,
            is_synthetic=False,
        )
        self.lake.write_batch(info, rows, unchanged_rows=0, clock=self.clock)

    def validate(self, months: str = "2024-01-01/2024-05-01", site: Site = SITE) -> list[MonthResult]:
        """Validate these local months."""
        return validate_months(self.lake, site, parse_period(months, ZONE), clock=self.clock)

    def total(self, meter: str) -> float:
        """Energy as KPIs see it."""
        rows = self.lake.current("s")
        return float(rows.filter(pl.col("meter_id") == meter)["value"].sum())

    def codes(self, meter: str) -> dict[int, int]:
        """Current rows per quality code."""
        rows = self.lake.current("s").filter(pl.col("meter_id") == meter)
        return dict(rows.group_by("quality_code").len().sort("quality_code").iter_rows())


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    """An empty one."""
    made = Plant(tmp_path)
    yield made
    made.store.close()


def load(seed: int, days: int = 121) -> NDArray[np.float64]:
    """Quarter hours to the end of April (local)."""
    return office(days, step_minutes=15, seed=seed)[: 96 * days]


def test_kpis_with_faults_are_those_without_but_for_the_estimates(plant: Plant) -> None:
    clean = load(1)
    broken, at = clean.copy(), APRIL.start + 96 * 9 + 40
    broken[at] = 1e6
    broken[at + 200 : at + 204] = -3.0
    broken[at + 300 : at + 396] = 0.0
    broken[at + 500 : at + 600] = broken[at + 500]
    plant.deliver("a", broken)
    plant.deliver("b", load(2) / 2)
    results = plant.validate()
    assert {each.rule for each in results[3].validation.findings} == {"spike", "negative", "dead", "stuck"}
    # 201 of 11,612 quarter hours are estimates: a fifth off in each of them moves the sum by 0.4 %.
    assert plant.total("a") == pytest.approx(clean.sum(), rel=0.004)
    assert plant.codes("a") == {0: len(clean) - 201, 8: 196, 9: 5}
    assert results[3].estimated == {"linear": 5, "like_day": 196}


def test_the_raw_reading_stays_in_the_lake(plant: Plant) -> None:
    broken = load(1)
    broken[APRIL.start + 500] = 1e6
    plant.deliver("a", broken)
    plant.validate()
    rows = plant.lake.history("s").filter(pl.col("value") == 1e6)
    assert rows["quality_code"].to_list() == [0]
    before = plant.lake.current("s", as_of_utc=rows["recorded_at_utc"][0])
    assert before["value"].max() == 1e6


def test_asking_again_writes_nothing(plant: Plant) -> None:
    broken = load(1)
    broken[APRIL.start + 500] = 1e6
    plant.deliver("a", broken)
    assert plant.validate()[3].validation.batch_id is not None
    entries = len(plant.lake.manifest("s"))
    second = plant.validate()
    assert [each.validation.batch_id for each in second] == [None] * 4
    assert len(plant.lake.manifest("s")) == entries
    assert len(latest_validations(plant.store, "s")) == 4


def test_one_month_alone_gets_the_estimates_of_all_at_once(plant: Plant) -> None:
    broken = load(1)
    for day in (70, 84, 98):
        broken[96 * day + 40 : 96 * day + 90] = 0.0
    plant.deliver("a", broken)
    plant.validate("2024-04-01/2024-05-01")
    entries = len(plant.lake.manifest("s"))
    plant.validate("2024-04-01/2024-05-01")
    assert len(plant.lake.manifest("s")) == entries
    alone = plant.lake.current("s", start_utc=local_midnight_utc(date(2024, 4, 1), ZONE))["value"].to_list()
    plant.validate()
    together = plant.lake.current("s", start_utc=local_midnight_utc(date(2024, 4, 1), ZONE))["value"].to_list()
    assert alone == together


def test_a_corrected_file_takes_the_place_of_the_estimate(plant: Plant) -> None:
    clean = load(1)
    broken = clean.copy()
    broken[APRIL.start + 500] = 1e6
    plant.deliver("a", broken)
    plant.validate()
    plant.deliver("a", clean, is_correction=True)
    results = plant.validate()
    assert results[3].validation.findings == ()
    assert plant.total("a") == pytest.approx(clean.sum(), abs=1e-6)


def test_a_rule_that_is_switched_off_puts_the_raw_reading_back_in_force(plant: Plant) -> None:
    broken = load(1)
    broken[APRIL.start + 500 : APRIL.start + 560] = broken[APRIL.start + 500]
    plant.deliver("a", broken)
    plant.validate()
    assert plant.codes("a")[8] == 60
    off = {"meters": [{"meter": "a", "rules": [{"rule": "stuck", "enabled": False, "reason": "a base load machine"}]}]}
    site = Site.model_validate(SITE.model_dump() | {"validation": off})
    assert plant.validate("2024-04-01/2024-05-01", site)[0].reinstated == 60
    assert plant.codes("a") == {0: len(broken)}
    assert plant.validate("2024-04-01/2024-05-01", site)[0].reinstated == 0


def test_what_a_person_vouched_for_is_named_and_not_replaced(plant: Plant) -> None:
    values = load(1)
    values[APRIL.start + 500] = 1e6
    plant.deliver("a", values, code=7)
    results = plant.validate()
    assert [each.rule for each in results[3].validation.findings] == ["spike"]
    assert plant.codes("a") == {7: len(values)}


def test_missed_energy_after_a_dead_meter_is_given_back_to_its_hours(plant: Plant) -> None:
    clean = load(1)
    broken, first = clean.copy(), APRIL.start + 96 * 9 + 4
    broken[first : first + 80] = 0.0
    broken[first + 80] = round(float(clean[first : first + 81].sum()), 3)
    plant.deliver("a", broken)
    results = plant.validate()
    assert results[3].estimated == {"register_total": 81}
    assert plant.total("a") == pytest.approx(clean.sum(), abs=1e-3)


def test_a_gap_that_nothing_can_fill_keeps_its_reading_and_says_so(plant: Plant) -> None:
    values = load(1, days=31)[: 96 * 31]
    values[96 * 9 : 96 * 18] = 0.0
    off = {"meters": [{"meter": "a", "rules": [{"rule": "dead", "limit": 3, "reason": "never rests"}]}]}
    site = Site.model_validate(SITE.model_dump() | {"validation": off})
    plant.deliver("a", values)
    (result,) = plant.validate("2024-01-01/2024-02-01", site)
    assert [each.code for each in result.refused] == ["estimate_insufficient"]
    assert "stays in use" in result.validation.findings[0].message
    assert plant.codes("a") == {0: len(values)}


def test_findings_are_kept_with_what_they_were_made_of_and_never_changed(plant: Plant) -> None:
    plant.deliver("a", load(1))
    plant.validate()
    first = latest_validations(plant.store, "s", months=[date(2024, 4, 1)])[0]
    assert (first.rules_version, first.score, len(first.input_digest)) == ("vee-3", 0.5, 64)
    with pytest.raises(DatabaseError, match="append-only"), plant.store.begin() as connection:
        connection.exec_driver_sql("UPDATE month_validations SET score = 1")
    broken = load(1)
    broken[APRIL.start + 500] = 1e6
    plant.deliver("a", broken, is_correction=True)
    known = first.recorded_at_utc
    assert known is not None
    plant.validate()
    assert latest_validations(plant.store, "s", months=[date(2024, 4, 1)])[0].input_digest != first.input_digest
    assert latest_validations(plant.store, "s", months=[date(2024, 4, 1)], as_of_utc=known) == [first]


def test_the_gate_names_the_worst_meters(plant: Plant) -> None:
    plant.deliver("a", load(1))
    months = [each.validation for each in plant.validate("2024-04-01/2024-05-01")]
    verdict = evaluate_months(months, least=0.9)
    assert (verdict.passed, verdict.facts["below"], verdict.facts["streams"]) == (False, 1, 2)
    worst = verdict.facts["worst"]
    assert isinstance(worst, list)
    assert worst[0].startswith("2024-04 b.import: 0.000")
    assert evaluate_months([], least=0.9).passed


def test_a_site_is_judged_as_known_at_a_time(plant: Plant) -> None:
    broken = load(1)
    broken[APRIL.start + 500] = 1e6
    plant.deliver("a", broken)
    recorded = plant.lake.manifest("s")[0]["recorded_at_utc"]
    plant.deliver("a", load(1), is_correction=True)
    span = {
        "start_utc": local_midnight_utc(date(2024, 4, 1), ZONE),
        "end_utc": local_midnight_utc(date(2024, 5, 1), ZONE),
    }
    assert [each.rule for each in judge_site(plant.lake, SITE, **span, as_of_utc=recorded).findings] == ["spike"]
    assert judge_site(plant.lake, SITE, **span).findings == ()
    assert READER == "validation"


def test_months_that_are_judged_apart_say_what_they_say_together(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    values, march, april = load(1), 96 * 60, APRIL.start
    values[96 * 20 + 40] = 1e6
    # Over a month's end, and nothing at all for most of another month.
    values[april - 150 : april + 150] = values[april - 150]
    values[96 * 32 : march + 96 * 5] = np.nan
    plant.deliver("a", values)
    plant.deliver("b", np.where(np.isnan(values), np.nan, load(2) / 2))
    span = {"start_utc": datetime(2023, 12, 20, tzinfo=UTC), "end_utc": datetime(2024, 6, 3, tzinfo=UTC)}
    whole, spans = judge_site(plant.lake, SITE, **span), list[int]()
    monkeypatch.setattr(judging, "ROWS_AT_ONCE", 10)
    one = judging.judge_rows

    def counted(*given: Any, **named: Any) -> Validation:
        spans.append(1)
        return one(*given, **named)

    monkeypatch.setattr(judging, "judge_rows", counted)
    apart = judge_site(plant.lake, SITE, **span)
    # December to June, a month each.
    assert len(spans) == 7
    assert {each.rule for each in whole.findings} == {"spike", "stuck"}
    assert apart.findings == whole.findings
    assert apart.scores.equals(whole.scores.sort("meter_id", "register", "local_date"))
    assert (apart.score, apart.coverage) == pytest.approx((whole.score, whole.coverage))


def test_an_excess_over_the_end_of_what_is_judged_apart_is_told_once(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = load(1)
    part = values * 0.98
    # The worst day lies behind the month's end, which is the end of a span as well.
    part[96 * 85 : 96 * 97] = values[96 * 85 : 96 * 97] * 1.1
    part[96 * 94 : 96 * 95] *= 1.1
    plant.deliver("a", values)
    plant.deliver("b", part)
    span = {"start_utc": START, "end_utc": datetime(2024, 4, 30, 23, tzinfo=UTC)}

    def sum_checks() -> list[RuleFinding]:
        return [each for each in judge_site(plant.lake, SITE, **span).findings if each.rule == "sum_check"]

    whole = sum_checks()
    assert [(each.start_utc, (each.end_utc - each.start_utc).days) for each in whole] == [
        (START + timedelta(days=85), 12)
    ]
    monkeypatch.setattr(judging, "ROWS_AT_ONCE", 10)
    assert sum_checks() == whole
    # Where another meter is compared from then on it is another finding.
    first, then = (
        whole[0].model_copy(update={"end_utc": APRIL_UTC}),
        whole[0].model_copy(update={"start_utc": APRIL_UTC, "message": whole[0].message.replace("b show", "c show")}),
    )
    assert merged([first, then]) == [first, then]
