"""The datasets by name: where a template's questions go. A new dataset is one line of each table here."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from data_quality.contracts.reporting.report_template import Question
from reports.datasets import (
    anomalies,
    benchmark,
    bills,
    dispatch,
    dr_events,
    energy_balance,
    enpi,
    experiments,
    floor_area,
    hours,
    measures,
    performance,
    project,
    targets,
    water,
)
from reports.datasets import footprint_figures as footprint
from reports.datasets import quality_figures as quality
from reports.datasets import site_kpis as site
from reports.datasets.base import Dataset, Measure, ReportInput

MAKERS: Mapping[str, Callable[[ReportInput], Dataset]] = {
    site.NAME: site.SiteKpis,
    # Before the uses: in a report about a project, baseline and coefficients are the project's.
    project.NAME: project.ProjectData,
    enpi.NAME: enpi.EnpiData,
    footprint.NAME: footprint.FootprintData,
    hours.NAME: hours.HourData,
    bills.NAME: bills.BillData,
    anomalies.NAME: anomalies.AnomalyData,
    dispatch.NAME: dispatch.DispatchData,
    dr_events.NAME: dr_events.DrEventData,
    experiments.NAME: experiments.ExperimentData,
    quality.NAME: quality.QualityData,
    measures.NAME: measures.MeasureData,
    energy_balance.NAME: energy_balance.EnergyBalance,
    floor_area.NAME: floor_area.FloorAreaData,
    water.NAME: water.WaterData,
    benchmark.NAME: benchmark.BenchmarkData,
    targets.NAME: targets.TargetData,
    performance.NAME: performance.PerformanceData,
}
_MODULES = (
    site, project, enpi, footprint, hours, bills, anomalies, dispatch, dr_events, experiments, quality, measures,
    energy_balance, floor_area, water, benchmark, targets, performance,
)  # fmt: skip
MEASURES: Mapping[str, Mapping[str, Measure]] = {module.NAME: module.MEASURES for module in _MODULES}
FACTS: Mapping[str, Sequence[str]] = {module.NAME: module.FACTS for module in _MODULES}


def make_datasets(
    given: ReportInput, names: Iterable[str], *, in_pack: Sequence[Question] | None = None
) -> dict[str, Dataset]:
    """The named datasets, and `site`, whose gaps every report has to name; `performance` names them itself.

    in_pack: all that a pack of data points asks, which is little; None: of no pack.
    """
    requested = tuple(names)
    # A target is held against the inventory.
    requested += (footprint.NAME,) if targets.NAME in requested else ()
    wanted = dict.fromkeys([*requested, *([] if performance.NAME in requested else [site.NAME])])
    made = {name: make(given) for name, make in MAKERS.items() if name in wanted}
    for name, each in made.items():
        if in_pack is not None and isinstance(each, site.SiteKpis):
            each.prefetch_pack(requested for requested in in_pack if requested.dataset == name)
    return made
