"""The gate stands before every printed saving: a step that nobody declared is claimed in no report and window."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.kpi.enpi.enpi_result import enpi_for
from data_quality.contracts.reporting.report_template import parse_question
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.time import local_midnight_utc, months_of, parse_period
from reports.content.templates import load_template, template_files
from reports.datasets import enpi, experiments, performance, project
from reports.datasets.base import Claims, Measure
from reports.recompute.claims import Claim, claim_of, use_saving_blocker
from reports.recompute.figure_sources import seu_of
from reports.report_content import Paragraph, ReportContent
from tests.reports import plant, year_world
from tests.reports.quarter import enpi_quarter
from tests.reports.year_world import Year

STEP = date(2025, 5, 12)
WINDOWS = ("2025", "2025-Q1", "2025-Q2", "2025-Q3", "2025-Q4", "2025-03", "2025-06", "2025-12")
BARRED = [each for each in WINDOWS if each not in {"2025-Q1", "2025-03"}]


def hvac_rows(share: float, step: date = STEP) -> pl.DataFrame:
    """Two years of heating and cooling as its baseline has it, `share` less from a day on; other streams of one day."""
    rng, parts = np.random.default_rng(5), []
    days = [date(2024, 1, 1) + timedelta(days=each) for each in range(731)]
    for day, after in pairwise(days):
        first = local_midnight_utc(day, plant.ZONE)
        slots = int((local_midnight_utc(after, plant.ZONE) - first) / timedelta(minutes=15))
        degc = float(np.round(12 - 9 * np.cos(2 * np.pi * day.timetuple().tm_yday / 365) + rng.normal(0, 2), 1))
        used = (300 + 6 * degc) * rng.uniform(0.97, 1.03) * (1 - share * (day >= step))
        at = pl.datetime_range(first, first + timedelta(minutes=15 * (slots - 1)), "15m", eager=True)
        parts += [
            pl.DataFrame({"meter_id": name, "interval_start_utc": at, "value": value})
            for name, value in (("hvac", round(used / slots, 6)), ("outdoor_degc", degc))
        ]
    like = plant.plant_rows(date(2025, 1, 1), date(2025, 1, 2))
    kinds = like.unique("meter_id").drop("interval_start_utc", "value")
    rows = pl.concat(parts).join(kinds, on="meter_id").with_columns(line_number=pl.int_range(2, pl.len() + 2))
    return rows.select(pl.col(name).cast(kind) for name, kind in like.schema.items())


def world(folder: Path, share: float, **options: object) -> Year:
    return year_world.make_year(folder, rows=hvac_rows(share), **options)


@pytest.fixture(scope="module")
def stepped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    made = world(tmp_path_factory.mktemp("stepped"), 0.35)
    yield made
    year_world.close(made)


def savings_of(content: ReportContent) -> dict[str, Decimal | None]:
    """Every figure of a saving: what the datasets call a claim."""
    names = {name for each in (enpi, project) for name, measure in each.MEASURES.items() if measure.is_claim}
    return {each.figure_id: each.value for each in content.figures if each.kpi in names and "hvac" in each.scope}


def sentences(content: ReportContent) -> str:
    blocks = [block for section in content.sections for block in section.blocks]
    return " ".join(each.text for each in blocks if isinstance(each, Paragraph))


@pytest.mark.parametrize("period", WINDOWS)
def test_a_step_that_nobody_declared_is_claimed_in_no_window_that_it_reaches(stepped: Year, period: str) -> None:
    content = stepped.report("seu_savings", period, seu="hvac")
    known = savings_of(content)
    assert known
    if period not in BARRED:
        assert any(value is not None for value in known.values())
        return
    span = parse_period(period, plant.ZONE)
    whole = [each for each in content.figures if each.figure_id in known and each.end == span.end]
    assert {each.value for each in whole} == {None}
    assert {each.status for each in whole} == {"non_routine_event"}
    assert "saved" not in sentences(content)
    told = [each for each in content.findings if each.code == "non_routine_event"]
    assert len(told) == 1
    assert "2025-05-" in told[0].message
    assert content.status == "draft"


def test_the_year_of_all_uses_and_the_quarters_report_claim_nothing_of_it_either(stepped: Year) -> None:
    year = stepped.report("enpi_year", "2025")
    quarter = _quarter(stepped, "2025-Q3")
    for content, since in ((year, date(2025, 6, 1)), (quarter, date(2025, 7, 1))):
        late = {each.figure_id for each in content.figures if each.end > since}
        known = {key: value for key, value in savings_of(content).items() if key in late}
        assert known
        assert set(known.values()) == {None}
        assert any(each.code == "non_routine_event" for each in content.findings)


def _quarter(year: Year, period: str) -> ReportContent:
    return enpi_quarter(year.given(period), revision=1)


def claim(year: Year, period: str) -> Claim:
    """Claim of `meterloom enpi` and `meterloom kpis` on the heating and cooling."""
    given = year.given(period)
    use, version = seu_of(year.site, "hvac"), given.versions["hvac"]
    pinned = (version.baseline_id, version.version)
    pairs = given.sources.pairs(year.site, "hvac", pinned, given.period, given.as_of_utc)
    result = enpi_for(pairs, seu_id="hvac", version=version, period=given.period)
    against = use_saving_blocker(
        given.sources, year.site, use, version, end=given.period.end, as_of_utc=given.as_of_utc
    )
    return claim_of(year.site, use, result, against)


def test_the_command_line_has_the_same_answer_for_every_month(stepped: Year) -> None:
    for month in months_of(parse_period("2025", plant.ZONE)):
        found = claim(stepped, f"{month.start:%Y-%m}")
        if month.end <= STEP:
            assert found.not_claimed == ""
            continue
        assert (found.savings_kwh, found.claimed_kwh) == (None, None)
        assert found.not_claimed == "non_routine_event"


def test_a_step_that_a_project_declares_is_its_saving(tmp_path: Path) -> None:
    declared = MvProject(
        project_id="retrofit",
        name="Retrofit",
        boundary="The plant's heating and cooling",
        option="C",
        seu="hvac",
        installation_start=STEP - timedelta(days=7),
        installation_end=STEP,
        reporting_end=date(2026, 1, 1),
    )
    made = world(tmp_path, 0.35, site=year_world.year_site(projects=(declared,)))
    try:
        found = claim(made, "2025-Q3")
        assert (found.not_claimed, found.findings) == ("", ())
        assert found.claimed_kwh == found.savings_kwh
        content = made.report("seu_savings", "2025-Q3", seu="hvac")
        assert "were saved" in sentences(content)
    finally:
        year_world.close(made)


def test_a_small_saving_is_claimed_beside_the_word_that_nobody_declared_a_measure(tmp_path: Path) -> None:
    made = world(tmp_path, 0.07)
    try:
        found = claim(made, "2025-Q3")
        assert found.claimed_kwh is not None
        assert [each.code for each in found.findings] == ["no_measure_declared"]
        content = made.report("seu_savings", "2025-Q1", seu="hvac")
        # Before the step nothing exceeds the band: the figure is there with its band, and no sentence claims it.
        assert "were saved" not in sentences(content)
        claimed = next(each for each in content.figures if each.kpi == "claimed_kwh")
        assert (claimed.value, claimed.status) == (None, "not_significant")
    finally:
        year_world.close(made)


def measures() -> list[tuple[str, str, Measure]]:
    return [
        (each.NAME, name, measure)
        for each in (enpi, project, performance, experiments)
        for name, measure in each.MEASURES.items()
    ]


def test_every_measure_that_is_a_saving_or_made_of_one_stands_behind_the_gate() -> None:
    for dataset in (enpi.EnpiData, project.ProjectData, performance.PerformanceData, experiments.ExperimentData):
        assert issubclass(dataset, Claims)
    behind = {(dataset, name) for dataset, name, measure in measures() if measure.is_claim}
    for dataset, name, measure in measures():
        parts = measure.made[1] if measure.made is not None else ()
        is_saving = "sav" in measure.label.lower() or "avoid" in measure.label.lower() or "claim" in name
        is_plan = name.startswith("detectable")
        if (is_saving and not is_plan) or any((dataset, part) in behind for part in parts):
            assert measure.is_claim, (dataset, name)


def test_a_template_calls_nothing_a_saving_that_is_not_behind_the_gate() -> None:
    behind = {f"{dataset}.{name}" for dataset, name, measure in measures() if measure.is_claim}

    def walk(node: object) -> Iterator[dict[str, object]]:
        if isinstance(node, dict):
            yield node
        for each in node.values() if isinstance(node, dict) else node if isinstance(node, list | tuple) else ():
            yield from walk(each)

    asked = 0
    for name in template_files(None):
        for node in walk(load_template(name).model_dump(mode="python")):
            words = " ".join(str(node.get(key, "")) for key in ("labels", "titles", "names")).lower()
            value = node.get("value")
            if not isinstance(value, str) or not any(word in words for word in ("saving", "saved", "avoided")):
                continue
            question = parse_question(value)
            # What a measure is expected to save is an estimate of advice, and is called so.
            is_plan = question.measure.startswith("detectable") or (
                question.dataset == "measures" and "expected" in words
            )
            assert is_plan or f"{question.dataset}.{question.measure}" in behind, (name, value)
            asked += 1
    assert asked > 10


def test_who_prints_a_saving_on_the_command_line_or_in_a_report_asks_the_gate() -> None:
    root = Path(__file__).parents[2]
    gates = (
        "reports.recompute.claims",
        "assets.kpi.claims",
        "assets.kpi.claims.mv_savings",
        "ml.baselines.savings.savings",
        ".barred(",
        # Its realised savings are those of project_savings, with what stands against claiming them.
        "orchestration.views import advice",
        # A group's: share × what the datasets of each site let pass.
        "own = ask.measure(",
        # Expected savings of recommendations, which are called so.
        "reports.recompute.advice",
    )
    printing = [
        path
        for folder in ("orchestration/cli", "orchestration/operations", "reports/content", "reports/datasets")
        for path in (root / folder).rglob("*.py")
        if "savings_kwh" in path.read_text()
    ]
    assert len(printing) >= 5
    for path in printing:
        assert any(gate in path.read_text() for gate in gates), path.name


def test_the_clock_of_this_world_stands_after_the_year(stepped: Year) -> None:
    assert stepped.given("2025").as_of_utc > datetime(2026, 1, 1, tzinfo=year_world.FEBRUARY.tzinfo)
