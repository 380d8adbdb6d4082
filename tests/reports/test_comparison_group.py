"""A project corrected by uses of other sites without a measure: in the report, in its traces, and refused by name."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.kpi.claims.comparison_group import CorrectedSavings, GroupMember, corrected_savings
from assets.kpi.enpi.daily import seu_days
from assets.stores.lake.lake import BatchInfo
from data_quality.contracts.baselines.baseline import Baseline
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc
from ml.baselines.models.ols import fit_daily
from reports.figures.unnamed import PEERS, unnamed
from reports.recompute.figure import recompute
from reports.recompute.figure_sources import Sources
from reports.recompute.group import _counts
from reports.report_content import Chart, ReportContent
from tests.definitions import DEFINITIONS
from tests.life.test_commands import call, project_folder
from tests.life.world import ANNA, NOW, SPLIT, START, ZONE, Works, works_rows, works_site
from tests.reports.test_findings_travel import assert_findings_are_told
from tests.reports.test_project_report import Mv, figure, make_mv, words

# What each site used in 2025 against 2024: a shock of -8 % that none of them chose.
OTHERS = {"elm": 0.91, "oak": 0.92, "ash": 0.93, "fir": 0.925}
GROUP = tuple(f"{name}/line" for name in OTHERS)


def other_site(name: str, **changes: object) -> Site:
    """A site of one use, called as the works' is."""
    line = works_site().seus[0]
    return works_site(site_id=name, name=name.title(), seus=(line,), projects=(), **changes)


@dataclass
class Estate:
    """The works with a project, and the sites beside it."""

    mv: Mv
    sites: dict[str, Site]

    def with_project(self, **changes: object) -> "Estate":
        """The same with another project."""
        site = self.sites["works"]
        project = MvProject.model_validate(site.projects[0].model_dump() | changes)
        return Estate(self.mv, self.sites | {"works": site.model_copy(update={"projects": (project,)})})

    def with_site(self, site: Site) -> "Estate":
        """The same with another file of a site."""
        return Estate(self.mv, self.sites | {site.site_id: site})

    def sources(self) -> Sources:
        """Fresh sources of all sites."""
        return Sources(lake=self.mv.works.lake, sites=self.sites, definitions=DEFINITIONS)

    def make(self, **options: object) -> ReportContent:
        """The project's report of 2025."""
        works = Works(self.sites["works"], self.mv.works.lake, self.mv.works.store, self.mv.works.clock, {})
        works.sources = self.sources  # type: ignore[method-assign]
        return Mv(works, self.mv.reports, self.mv.out).make("2025", **options)


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Four sites beside the works, each with an approved baseline of 2024."""
    mv = make_mv(tmp_path_factory.mktemp("estate"), [])
    sites = {"works": mv.works.site} | {name: other_site(name) for name in OTHERS}
    rows = works_rows().filter(pl.col("meter_id").is_in(["m1", "product_a", "outdoor_degc"]))
    for name, factor in OTHERS.items():
        add_site(mv.works, sites[name], rows, factor)
    yield Estate(mv, sites).with_project(comparison_group=GROUP)
    mv.works.lake.store.close()


def add_site(works: Works, site: Site, rows: pl.DataFrame, factor: float) -> None:
    """The works' line as another site's, with 2025 by the factor instead of its own; fitted and approved."""
    # The line's own 2025 is 1.02, 1.04, 1.08 and 1.01 times 2024.
    own = {1: 1.02, 2: 1.04, 3: 1.08, 4: 1.01}
    local = pl.col("interval_start_utc").dt.convert_time_zone(ZONE)
    is_after = (pl.col("meter_id") == "m1") & (local.dt.date() >= SPLIT)
    share = factor / local.dt.quarter().replace_strict(own, return_dtype=pl.Float64)
    moved = rows.with_columns(
        site_id=pl.lit(site.site_id), value=pl.when(is_after).then(pl.col("value") * share).otherwise("value")
    )
    info = BatchInfo(
        site_id=site.site_id, source_name="rows.csv", source_sha256=site.site_id.encode().hex().zfill(64), reader="csv",
        reader_version="1", accepted_rows=moved.height, rejected_rows=0, is_synthetic=False,
    )  # fmt: skip
    works.lake.write_batch(info, moved, unchanged_rows=0, clock=works.clock)
    span = (local_midnight_utc(START, ZONE), local_midnight_utc(SPLIT, ZONE))
    readings = works.lake.current(site.site_id, start_utc=span[0], end_utc=span[1])
    made = fit_daily(
        seu_days(readings, site=site, seu=site.seus[0], start=START, end=SPLIT), site=site, seu=site.seus[0],
        start=START, end=SPLIT, today=NOW.date(),
        lake_digest=works.lake.digest(site.site_id, start_utc=span[0], end_utc=span[1]),
    )  # fmt: skip
    assert isinstance(made, Baseline)
    works.clock.advance(timedelta(minutes=1))
    version = works.store.add(made, "run", made.dataset_digest, "ben", works.clock)
    works.clock.advance(timedelta(minutes=1))
    works.store.approve(version.baseline_id, version.version, ANNA, "a whole year", {}, works.clock)
    works.clock.advance(timedelta(minutes=1))


def number(content: ReportContent, kpi: str) -> float:
    """A number of the project."""
    value = figure(content, kpi).value
    assert value is not None, kpi
    return float(value)


def codes(content: ReportContent) -> set[str]:
    """Codes of the findings."""
    return {each.code for each in content.findings}


def test_what_all_sites_saved_is_taken_off_the_saving(estate: Estate) -> None:
    content = estate.make()
    group, saved, expected = (number(content, each) for each in ("group_percent", "savings_kwh", "expected_kwh"))
    assert group == pytest.approx(100 * (1 - sum(OTHERS.values()) / len(OTHERS)), abs=0.5)
    assert number(content, "members") == 4
    assert number(content, "shift_kwh") == pytest.approx(-expected * group / 100, rel=1e-9)
    corrected, half = number(content, "corrected_kwh"), number(content, "corrected_uncertainty_kwh")
    assert corrected == pytest.approx(saved - expected * group / 100, rel=1e-9)
    # The drive alone saves 10 %, of which all sites saved eight.
    assert corrected == pytest.approx(0.02 * expected, abs=0.01 * expected)
    assert half > number(content, "uncertainty_kwh")
    assert number(content, "corrected_low_kwh") == pytest.approx(corrected - half)
    rows = words(content, "members")
    assert [row[0] for row in rows] == ["Elm: Line", "Oak: Line", "Ash: Line", "Fir: Line"]
    assert {row[1] for row in rows} == {"compared"}
    section = next(each for each in content.sections if each.key == "comparison")
    [drawn] = [block for block in section.blocks if isinstance(block, Chart)]
    assert len(drawn.categories) == 4
    assert_findings_are_told(content)


def test_every_number_of_the_group_is_made_again_from_its_trace(estate: Estate) -> None:
    content = estate.make()
    sources = estate.sources()
    kinds = {"corrected_kwh", "corrected_claimed_kwh", "group_percent", "members", "member_percent", "shift_kwh"}
    found = [each for each in content.figures if each.kpi in kinds]
    assert {each.kpi for each in found} == kinds
    for each in found:
        assert recompute(each, sources=sources, lookup=content.figure) == each.value, each.path
    # Readings, site file, baseline and adjustments of every member stand behind it.
    behind = {(each.role, each.id.partition("/")[0]) for each in figure(content, "corrected_kwh").trace.inputs}
    assert {(role, name) for name in OTHERS for role in ("readings", "site", "baseline", "adjustments")} <= behind


def test_whoever_may_not_see_the_members_is_shown_nothing_that_they_rest_on(estate: Estate) -> None:
    shown = figure(estate.make(), "corrected_kwh")
    assert unnamed(shown, lambda _: True) == shown
    left = unnamed(shown, lambda site: site == "works").trace.inputs
    assert {each.id.partition("/")[0] for each in left} == {"works", PEERS}
    # One stands for all that is hidden: three members' inputs and their digests are not there.
    assert len([each for each in left if each.role == PEERS]) == 1


def test_a_saving_that_the_group_explains_keeps_its_number_and_is_not_claimed(estate: Estate) -> None:
    content = estate.make()
    assert "group_explains_saving" in codes(content)
    assert number(content, "savings_kwh") > number(content, "uncertainty_kwh")
    assert figure(content, "claimed_kwh").value is None
    assert figure(content, "corrected_claimed_kwh").value is None
    # It is no increase of use: less was used, as everywhere.
    [[_, verdict, *_]] = words(content, "verdict")
    assert verdict == "not claimed: group explains saving"
    assert recompute(figure(content, "claimed_kwh"), sources=estate.sources(), lookup=content.figure) is None


def test_without_a_group_the_report_says_nothing_of_one(estate: Estate) -> None:
    content = estate.with_project(comparison_group=()).make()
    assert "comparison" not in {each.key for each in content.sections}
    assert figure(content, "corrected_kwh").status == "no_comparison_group"
    assert number(content, "claimed_kwh") == number(content, "savings_kwh")


def test_a_member_that_cannot_be_compared_is_left_out_by_name(estate: Estate) -> None:
    measure = (
        estate.sites["works"].projects[0].model_copy(update={"project_id": "led", "name": "LED", "meters": ("m1",)})
    )
    world = estate.with_project(comparison_group=(*GROUP, "moon/line", "works/packing")).with_site(
        other_site("fir").model_copy(update={"projects": (measure.model_copy(update={"comparison_group": ()}),)})
    )
    content = world.make()
    said = {each.code: each.message for each in content.findings}
    assert "fir/line" in said["member_has_measure"]
    assert "LED" in said["member_has_measure"]
    assert "moon/line" in said["member_unknown"]
    # Packing is the works' own second use: without a measure and with a baseline, so it counts.
    assert number(content, "members") == 4
    states = {row[0]: row[1] for row in words(content, "members")}
    assert states["Fir: Line"] == "member has measure"
    assert states["moon/line"] == "member unknown"


def test_a_measure_below_or_above_a_members_meter_is_a_measure_of_its_own(estate: Estate) -> None:
    given = estate.sites["fir"]
    below = Meter(meter_id="motor", parent="m1")
    led = (
        estate.sites["works"]
        .projects[0]
        .model_copy(
            update={"project_id": "led", "name": "LED", "meters": ("motor",), "seu": None, "drivers": ()}
            | {"comparison_group": ()}
        )
    )
    content = estate.with_site(given.model_copy(update={"meters": (*given.meters, below), "projects": (led,)})).make()
    said = {each.code: each.message for each in content.findings}
    assert "fir/line" in said["member_has_measure"]
    assert number(content, "members") == 3


def test_a_computed_meter_counts_what_stands_below_its_inputs_and_is_not_taken_off() -> None:
    rest = Meter(meter_id="rest", formula="main - hvac")
    site = works_site(
        meters=(Meter(meter_id="main"), Meter(meter_id="hvac", parent="main"), Meter(meter_id="fan", parent="hvac"),
                Meter(meter_id="press", parent="main"), rest),
        seus=(), projects=(),
    )  # fmt: skip
    assert _counts(site, "main", "fan")
    assert _counts(site, "rest", "press")
    assert _counts(site, "rest", "rest")
    assert not _counts(site, "rest", "fan")
    assert not _counts(site, "press", "fan")


def test_a_use_that_is_named_twice_is_one_member(estate: Estate) -> None:
    content = estate.with_project(comparison_group=(*GROUP, GROUP[0])).make()
    assert number(content, "members") == 4
    assert len(words(content, "members")) == 4
    assert number(content, "group_spread_percent") == number(estate.make(), "group_spread_percent")


def test_a_saving_that_the_group_lowers_by_more_than_its_band_says_so() -> None:
    members = [
        GroupMember(name=name, expected_kwh=100.0, actual_kwh=95.0 + at / 10, uncertainty_kwh=1.0)
        for at, name in enumerate("abcdef")
    ]
    found = corrected_savings(members, expected_kwh=1000.0, savings_kwh=200.0, uncertainty_kwh=10.0, confidence=0.9)
    assert isinstance(found, CorrectedSavings)
    assert found.claimed_kwh == pytest.approx(152.5)
    assert [each.code for each in found.findings] == ["group_lowers_saving"]
    wide = corrected_savings(members, expected_kwh=1000.0, savings_kwh=200.0, uncertainty_kwh=50.0, confidence=0.9)
    assert isinstance(wide, CorrectedSavings)
    assert wide.findings == ()


def test_a_group_of_which_two_are_left_corrects_nothing_and_says_so(estate: Estate) -> None:
    content = estate.with_project(comparison_group=("elm/line", "oak/line", "moon/line")).make()
    said = {each.code: each.message for each in content.findings}
    assert "2 of 3 members" in said["group_too_small"]
    assert figure(content, "corrected_kwh").value is None
    # The uncorrected saving stays, and stays claimed: it is labelled.
    assert number(content, "claimed_kwh") == number(content, "savings_kwh")


def test_a_member_without_an_approved_baseline_or_with_one_of_the_reported_days_is_left_out(estate: Estate) -> None:
    late = estate.with_project(
        comparison_group=(*GROUP, "works/none"), installation_start=date(2024, 11, 1),
        installation_end=date(2024, 11, 1), baseline_start=START, baseline_end=date(2024, 11, 1),
    )  # fmt: skip
    made = late.make()
    assert {"member_trained_on_report", "group_too_small"} <= codes(made)
    early = estate.make(as_of_utc=estate.mv.works.store.get("elm/line/enb", 1).fitted_at_utc)
    assert {"member_no_baseline", "group_too_small"} <= codes(early)


@pytest.mark.parametrize("group", [("elm/line", "oak/line"), ("elm/line", "oak/line", "oak/line")])
def test_a_group_of_two_is_refused_by_name_in_the_site_file(group: tuple[str, ...]) -> None:
    given = works_site().projects[0].model_dump() | {"comparison_group": group}
    with pytest.raises(ValueError, match="'drive': a comparison group needs 3 different uses or more, it has 2"):
        MvProject.model_validate(given)


def test_a_project_without_a_group_is_the_same_site_file_as_before() -> None:
    assert "comparison_group" not in works_site().projects[0].model_dump()


def test_the_command_prints_the_corrected_saving_of_the_report(estate: Estate, tmp_path: Path) -> None:
    folder = project_folder(estate.mv.out.parent, [*estate.sites.values()], tmp_path / "p")
    found = call(folder, "baseline", "project", "works/drive")
    content = estate.make()
    beside = found["comparison_group"]
    assert beside["savings_kwh"] == pytest.approx(number(content, "corrected_kwh"), rel=1e-9)
    assert beside["uncertainty_kwh"] == pytest.approx(number(content, "corrected_uncertainty_kwh"), rel=1e-9)
    assert [each["name"] for each in beside["members"]] == list(GROUP)
    assert found["savings"]["claimed_kwh"] is None
    assert "group_explains_saving" in {each["code"] for each in found["savings"]["findings"]}
