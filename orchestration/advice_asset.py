"""Recommendations of a site, and disaggregation of its circuits: the assets with their pictures, and their jobs."""

from typing import TYPE_CHECKING

import dagster as dg

from data_quality.contracts.reporting.disaggregation import StoredDisaggregation
from data_quality.contracts.time import Clock, Period, local_day, months_before
from orchestration.partitions import SITES, site_mapping
from orchestration.previews import FINDINGS, Metadata, bars_png, embedded, findings_metadata, lines, table
from orchestration.resources import ProjectResource

if TYPE_CHECKING:
    from data_quality.contracts.site_file.site import Site

_MONTHS = 12
_HEAD = ("id", "kind", "scope", "status", "saves, kWh", "90 % low", "90 % high", "money", "currency", "confidence")
_CLASSES_HEAD = ("circuit", "class", "kWh", "90 % low", "90 % high", "confidence", "F1 held out", "id", "model")


@dg.asset(
    group_name="advice",
    kinds={"sqlite"},
    owners=["team:energy"],
    partitions_def=SITES,
    deps=[site_mapping("core_lake__15min_readings")],
)
def core_site__recommendations(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Recommendations of the last twelve whole months; what people did with earlier ones stands."""
    from orchestration.views.advice import run
    from orchestration.views.advice_wording import request_wordings

    site = project.site(context.partition_key)
    found = run(project, site, last_year(site, clock), clock, sources=project.sources())
    request_wordings(project, site, found, clock)
    rows = [
        [each.recommendation_id, each.kind, each.scope, each.status, each.savings_kwh, *each.interval_kwh,
         each.savings_money, each.currency, each.confidence_label]
        for each in found
    ]  # fmt: skip
    title = f"Savings of {site.name}"
    picture = {}
    if found:
        names = [f"{each.kind} {each.scope}" for each in found]
        png = bars_png(names, {"kWh": [float(each.savings_kwh) for each in found]}, title=title, unit="kWh")
        picture = {"picture": embedded(png, title=title)}
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(found),
            "recommendations": table(_HEAD, rows),
            "synthetic": any(each.is_synthetic for each in found),
            **picture,
        }
    )


advise = dg.define_asset_job(
    "advise",
    selection=dg.AssetSelection.assets("core_site__recommendations"),
    description="Finds recommendations of a site over its last twelve whole months. Asked for by people.",
    tags={"dagster/max_runtime": "600"},
    # One step: a process of its own would first load everything once more.
    executor_def=dg.in_process_executor,
)


def last_year(site: "Site", clock: Clock) -> Period:
    """The twelve whole local months that are over."""
    end = local_day(clock.now_utc(), site.time_zone).replace(day=1)
    return Period(label="", start=months_before(end, _MONTHS), end=end, time_zone=site.time_zone)


@dg.asset(
    group_name="advice",
    kinds={"scikitlearn", "mlflow"},
    owners=["team:energy"],
    partitions_def=SITES,
    deps=[site_mapping("core_lake__15min_readings")],
)
def core_circuit__disaggregation(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Energy by class of load of the circuits that a site file opts in; the same readings twice store nothing new."""
    from ml.defs import tracker_of
    from ml.disaggregation.site_circuit import run_circuit

    site, tracker = project.site(context.partition_key), tracker_of(project)
    found = [
        run_circuit(site, each.circuit, lake=project.lake, tracker=tracker, clock=clock) for each in site.disaggregation
    ]
    rows = [
        [each.circuit, own.name, own.kwh, *(own.interval_kwh or (None, None)), own.confidence, own.f1_held_out,
         each.result_id, each.model]
        for each in found
        for own in each.found.classes
    ]  # fmt: skip
    pictures: Metadata = {}
    for each in found:
        pictures |= _pictures(each)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(rows),
            "classes": table(_CLASSES_HEAD, rows),
            "synthetic": any(each.is_synthetic for each in found),
            FINDINGS: findings_metadata([finding for each in found for finding in each.found.findings]),
            **pictures,
        }
    )


nilm = dg.define_asset_job(
    "nilm",
    selection=dg.AssetSelection.assets("core_circuit__disaggregation"),
    description="Shares out the energy of circuits that a site file opts in among classes of load. By hand.",
    tags={"dagster/max_runtime": "1800"},
    # One step: a process of its own would first load everything once more.
    executor_def=dg.in_process_executor,
)


def _pictures(made: StoredDisaggregation) -> Metadata:
    """Energies by class, and the weeks of those that have a band."""
    found, title = made.found, f"{made.circuit} by class of load"
    known = [each for each in found.classes if each.kwh is not None]
    energies = [*(float(each.kwh or 0.0) for each in known), found.rest_kwh]
    png = bars_png([*(each.name for each in known), "rest"], {"kWh": energies}, title=title, unit="kWh")
    pictures: Metadata = {f"{made.circuit} classes": embedded(png, title=title)}
    weeks = sorted({each.start_utc for each in found.weeks})
    if weeks:
        by_class = {
            each.name: [own.kwh for own in found.weeks if own.name == each.name]
            for each in known
            if each.interval_kwh is not None
        }
        pictures[f"{made.circuit} weeks"] = lines(weeks, by_class, title=title, unit="kWh per week")
    return pictures
