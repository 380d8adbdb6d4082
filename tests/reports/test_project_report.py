"""The report of an M&V project: plan, adjustments by two people, savings with their band, each number traced."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from assets.kpi.claims.mv_savings import project_savings
from assets.stores.ledgers.adjustments import AdjustmentStore
from assets.stores.published.report_ledger import ReportStore
from data_quality.contracts.baselines.baseline import Adjustment, AdjustmentKind
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, parse_period
from ml.baselines.savings.project_baseline import fit_project
from ml.tracking import LoggedModel
from reports.make_report import ReportRequest, make_report
from reports.recompute.figure import recompute
from reports.report_content import ReportContent, Table
from tests.life.world import ANNA, BEN, END, NOW, SPLIT, ZONE, Works, make_works
from tests.reports.pseudo_language import CODE, names_in, pseudo_reports, shown_in, unwrapped
from tests.reports.test_findings_travel import assert_findings_are_told
from tests.reports.test_tagged_pdf import assert_is_tagged

DRIVE = "works/drive/mv_project"


class PlainTracker:
    """Registers nothing: the store alone keeps the version."""

    def log_model(self, name: str, files: dict[str, bytes], record: object) -> LoggedModel:
        """A model version by its content."""
        return LoggedModel(name=name, version=1, run_id="run", checksum="c" * 64)


@dataclass
class Mv:
    """The works with its project's baseline, and where reports go."""

    works: Works
    reports: ReportStore
    out: Path

    def make(self, period: str = "2025", **options: object) -> ReportContent:
        """The project's report."""
        works = self.works
        span = options.pop("span", None) or parse_period(period, ZONE)
        subject = {key: options.pop(key, None) for key in ("project_id", "seu_id")}
        asked: dict[str, object] = {"formats": ("json",), **options}
        return make_report(
            "mv_project",
            works.site,
            span,
            ReportRequest(sources=works.sources(), reports=self.reports, clock=works.clock, out_dir=self.out, **asked),
            **subject,
        ).content


ADJUSTMENTS = (
    (AdjustmentKind.ROUTINE, date(2025, 3, 1), date(2025, 3, 11), {"kwh_per_day": Decimal(4)}),
    (AdjustmentKind.NON_ROUTINE, date(2025, 6, 1), date(2025, 7, 1), {"percent": Decimal("2.5")}),
)


@pytest.fixture(scope="module")
def mv(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mv]:
    """An approved baseline of the drive and two adjustments that Anna approved."""
    made = make_mv(tmp_path_factory.mktemp("mv"), ADJUSTMENTS)
    yield made
    made.works.lake.store.close()


def make_mv(folder: Path, adjustments: Sequence[tuple[AdjustmentKind, date, date, dict[str, Decimal]]]) -> Mv:
    """The works, its project's approved baseline and adjustments of it."""
    works = make_works(folder)
    project = works.site.projects[0]
    fit_project(
        works.site, project, lake=works.lake, store=works.store, tracker=PlainTracker(), clock=works.clock,  # type: ignore[arg-type]
        fitted_by="ben",
    )  # fmt: skip
    works.clock.advance(timedelta(minutes=1))
    works.store.approve(DRIVE, 1, ANNA, "a whole year", {}, works.clock)
    ledger = AdjustmentStore(works.lake.store)
    for kind, start, end, amount in adjustments:
        made = Adjustment(
            baseline_id=DRIVE, kind=kind, start=start, end=end, reason="second shift", method="submeter",
            evidence="log 7", **amount,
        )  # fmt: skip
        record = ledger.propose(made, BEN, works.clock)
        works.clock.advance(timedelta(minutes=1))
        ledger.approve(record.adjustment_id, ANNA, "seen", works.clock)
    works.clock.advance(timedelta(minutes=1))
    return Mv(works, ReportStore(works.lake.store), folder / "out")


def figure(content: ReportContent, kpi: str, scope: str = "project:drive") -> Figure:
    """The figure of the whole period."""
    return next(f for f in content.figures if (f.kpi, f.scope, f.end) == (kpi, scope, content.end))


def table(content: ReportContent, key: str) -> Table:
    """A table by its key."""
    return next(each for each in content.tables() if each.key == key)


def words(content: ReportContent, key: str) -> list[list[str]]:
    """The cells of a table."""
    return [[cell.text for cell in row.cells] for row in table(content, key).rows]


def test_no_word_of_the_report_is_outside_the_catalogues(mv: Mv, tmp_path: Path) -> None:
    with pseudo_reports(tmp_path, "mv_project") as folder:
        content = mv.make(templates_dir=folder, language=CODE)
        # People, and what they wrote into site file and adjustments.
        names = names_in(mv.works.site) | frozenset(
            ["anna", "ben", "boundary", "The", "drive", "and", "its", "converter", "parts"]
        )
        names |= {"second", "shift", "submeter", "log", "parts"}
        assert unwrapped(shown_in(content), names) == {}
    assert content.title != mv.make().title


def test_the_report_says_what_baseline_project_says(mv: Mv) -> None:
    content = mv.make()
    works = mv.works
    version = works.store.get(DRIVE, 1)
    said = project_savings(works.site, works.site.projects[0], version, lake=works.lake, now_utc=NOW)
    assert not isinstance(said, Finding)
    for kpi in ("expected_kwh", "actual_kwh", "savings_kwh", "delta_kwh", "claimed_kwh"):
        if kpi != "delta_kwh":
            assert figure(content, kpi).value == getattr(said, kpi), kpi
    half = figure(content, "uncertainty_kwh").value
    assert float(half or 0) == said.uncertainty_kwh
    assert version.baseline.band is not None
    assert content.status == "final"
    assert_findings_are_told(content)
    assert_is_tagged(content)
    assert content.report_id == "mv_project/works/drive/2025"
    assert words(content, "verdict")[0][1] == "significant, claimed"


def test_a_significant_increase_of_use_is_said_and_not_claimed(tmp_path: Path) -> None:
    made = make_mv(tmp_path, [(AdjustmentKind.NON_ROUTINE, SPLIT, END, {"percent": Decimal(-30)})])
    content = made.make()
    assert (figure(content, "claimed_kwh").value, words(content, "verdict")[0][1]) == (
        None,
        "significant increase of use",
    )
    made.works.lake.store.close()


def test_adjustments_stand_with_two_people_and_add_up(mv: Mv) -> None:
    content = mv.make()
    rows = words(content, "adjustments")
    assert [row[1] for row in rows] == ["routine", "non routine"]
    assert [row[2] for row in rows] == ["1–\u206010\xa0March\xa02025", "June 2025"]
    assert all(row[5].startswith("ben, ") and row[6].startswith("anna, ") for row in rows)
    assert figure(content, "routine_kwh").value == Decimal(40)
    each = [f.value for f in content.figures if f.kpi == "adjusted_kwh"]
    total = figure(content, "adjustment_kwh").value
    assert sum(value or 0 for value in each) == total
    assert figure(content, "model_kwh").value == figure(content, "expected_kwh").value - total  # type: ignore[operator]


def test_months_add_up_to_the_period_to_the_last_digit(mv: Mv) -> None:
    content = mv.make()
    for kpi in ("expected_kwh", "actual_kwh", "routine_kwh", "non_routine_kwh", "compared_days"):
        months = [f.value for f in content.figures if f.kpi == kpi and (f.end - f.start).days < 32]
        assert len(months) == 12
        assert sum(value or 0 for value in months) == figure(content, kpi).value, kpi


def test_every_number_is_made_again_from_its_trace(mv: Mv) -> None:
    content = mv.make()
    sources = mv.works.sources()
    for each in content.figures:
        assert recompute(each, sources=sources, lookup=content.figure) == each.value, each.path


def test_the_plan_is_in_the_report_and_what_is_not_agreed_says_so(mv: Mv) -> None:
    content = mv.make()
    plan = {row[0]: row[1] for row in words(content, "plan")}
    assert plan["Measurement boundary"] == "The drive and its converter"
    assert plan["IPMVP option"].startswith("B: ")
    assert plan["Baseline period"] == "2024"
    assert plan["Baseline version"] == "Version 1, fitted by ben, approved by anna"
    assert plan["Price basis"] == "not agreed"
    said = next(each for each in content.findings if each.code == "plan_incomplete")
    assert "price basis" in said.message
    least = figure(content, "detectable_percent").value
    assert least is not None
    assert 0 < least < 2


def test_without_a_period_it_is_the_reporting_period_and_only_whole_spans_else(mv: Mv) -> None:
    site = mv.works.site
    later = site.projects[0].model_copy(update={"reporting_start": date(2025, 2, 10)})
    world = Mv(_with(mv.works, later), mv.reports, mv.out)
    content = world.make(span=Period(label="", start=date(2025, 2, 10), end=date(2026, 1, 1), time_zone=ZONE))
    assert content.period == "2025-02-10_2026-01-01"
    assert figure(content, "days").value == 325
    year = world.make("2025")
    months = {row[0]: row[1:] for row in words(year, "month_table")}
    assert set(months["January 2025"][:3]) == {"–"}
    assert figure(year, "savings_kwh").value == figure(content, "savings_kwh").value
    with pytest.raises(BadInput, match="or the whole reporting period"):
        world.make(span=Period(label="", start=date(2025, 2, 11), end=date(2026, 1, 1), time_zone=ZONE))


def test_a_project_without_a_baseline_or_an_approval_is_a_draft_with_dashes(mv: Mv) -> None:
    site = mv.works.site
    other = site.projects[0].model_copy(update={"project_id": "bare", "name": "Bare"})
    content = Mv(_with(mv.works, other), mv.reports, mv.out).make()
    assert content.status == "draft"
    assert "no_baseline" in {each.code for each in content.findings if each.is_blocking}
    assert figure(content, "savings_kwh", "project:bare").value is None
    early = mv.make("2025", as_of_utc=mv.works.store.get(DRIVE, 1).fitted_at_utc)
    assert "provisional" in {each.code for each in early.findings if each.is_blocking}
    assert figure(early, "claimed_kwh").value is None
    assert recompute(figure(early, "claimed_kwh"), sources=mv.works.sources(), lookup=early.figure) is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"project_id": "led"}, "has no project 'led'; it has drive"),
        ({"seu_id": "line"}, "is about an M&V project, not about one use"),
    ],
)
def test_another_subject_is_refused_by_name(mv: Mv, options: dict[str, str], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        mv.make(**options)


def test_a_site_without_projects_says_where_they_stand(mv: Mv) -> None:
    bare = Mv(_on(mv.works, mv.works.site.model_copy(update={"projects": ()})), mv.reports, mv.out)
    with pytest.raises(BadInput, match="site 'works' has none") as caught:
        bare.make()
    assert "projects" in caught.value.mend


def _with(works: Works, project: object) -> Works:
    return _on(works, works.site.model_copy(update={"projects": (project,)}))


def _on(works: Works, site: Site) -> Works:
    return Works(site, works.lake, works.store, works.clock, works.versions)
