"""Disaggregation of a site's circuits by class of load: the asset with its pictures, and its job."""

import dagster as dg

from data_quality.contracts.reporting.disaggregation import StoredDisaggregation
from data_quality.contracts.time import Clock
from ml.defs import tracker_of
from orchestration.partitions import SITES, beside_sites
from orchestration.previews import FINDINGS, Metadata, bars_png, embedded, findings_metadata, lines, table
from orchestration.resources import ProjectResource

_HEAD = ("circuit", "class", "kWh", "90 % low", "90 % high", "confidence", "F1 held out", "id", "model")


@dg.asset(
    group_name="advice",
    kinds={"scikitlearn", "mlflow"},
    owners=["team:energy"],
    partitions_def=SITES,
    deps=[beside_sites("core_lake__15min_readings")],
)
def core_circuit__disaggregation(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Energy by class of load of the circuits that a site file opts in; the same readings twice store nothing new."""
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
            "classes": table(_HEAD, rows),
            "synthetic": any(each.is_synthetic for each in found),
            FINDINGS: findings_metadata([said for each in found for said in each.found.findings]),
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
