"""Settlements of events of demand response: the asset with its pictures, its job, and the sensor that asks for it."""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from data_quality.contracts.time import Clock
from orchestration.partitions import SITES, site_mapping
from orchestration.previews import Preview, embedded, event_png, table
from orchestration.resources import ProjectResource
from orchestration.ticks import looking_every

if TYPE_CHECKING:
    from data_quality.contracts.site_file.site import Site
    from orchestration.demand_response.settle import SettledNow

# A picture takes a tenth of a second; of the newest events.
_PICTURES = 6
_HEAD = (
    "event",
    "version",
    "method",
    "shed, kWh",
    "90 % low",
    "90 % high",
    "best method",
    "its shed",
    "income",
    "why not",
)


@dg.asset(
    group_name="demand_response",
    kinds={"sqlite"},
    owners=["team:control"],
    partitions_def=SITES,
    deps=[site_mapping("core_lake__15min_readings")],
)
def core_event__settlement(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Settlement of each event of the site that is over and read; other readings make the next version of it."""
    from orchestration.demand_response.settle import settle_over

    site = project.site(context.partition_key)
    found = settle_over(project, site.site_id, clock)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(each.settlement is not None for each in found),
            "settlements": table(_HEAD, [_row(each) for each in found]),
            "synthetic": site.is_simulated,
            **_pictures(project, site, found),
        }
    )


dr_settle = dg.define_asset_job(
    "dr_settle",
    selection=dg.AssetSelection.assets("core_event__settlement"),
    description=(
        "Settles the events of demand response of a site that are over, once their readings are there. Asked for by "
        "the sensor over_events; late or corrected readings make the next version, the earlier one stays."
    ),
    tags={"dagster/max_runtime": "1800"},
    # One step: a process of its own would first load everything once more.
    executor_def=dg.in_process_executor,
)


@looking_every(60, job=dr_settle)
def over_events(
    context: dg.SensorEvaluationContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Asks for a settlement where an event is over, and again where readings behind one have changed since.

    Looks every 60 s. One run a site, its events, and what its readings are then.
    """
    from orchestration.demand_response.settle import behind

    found = behind(project, clock.now_utc())
    if not found:
        yield dg.SkipReason("no event is over that would be settled")
        return
    context.instance.add_dynamic_partitions(SITES.name or "sites", sorted(project.sites))
    for site_id, digests in sorted(found.items()):
        digest = hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()[:16]
        yield dg.RunRequest(run_key=f"dr_settle:{site_id}:{digest}", partition_key=site_id)


def _row(found: "SettledNow") -> list[Any]:
    settled = found.settlement
    if settled is None:
        return [found.event.event_id, *[None] * 8, found.why_not]
    rule, best = settled.rule, settled.best
    low, high = rule.interval_kwh if rule and rule.interval_kwh else (None, None)
    return [
        found.event.event_id, str(settled.version), rule and rule.method, rule and rule.shed_kwh, low, high,
        best and best.method, best and best.shed_kwh, settled.income, "",
    ]  # fmt: skip


def _pictures(project: ProjectResource, site: "Site", found: "list[SettledNow]") -> dict[str, Preview]:
    from orchestration.views.dr_event_view import power_around

    made: dict[str, Preview] = {}
    for each in [one for one in found if one.settlement is not None][-_PICTURES:]:
        event, rule = each.event, each.settlement and each.settlement.rule
        steps, measured = power_around(project, site, event)
        # Power of a step is its energy over its hours.
        known = {
            one.start_utc: one.baseline_kwh * 3600 / (one.end_utc - one.start_utc).total_seconds()
            for one in (rule.intervals if rule else ())
            if one.baseline_kwh is not None
        }
        lines = {
            "baseline by the rule": [known.get(start) for start, _ in steps],
            "measured": [measured.get(start) for start, _ in steps],
        }
        title = f"Event {event.event_id} of {site.name}"
        png = event_png(
            [start for start, _ in steps], lines, shaded=(event.start_utc, event.end_utc), title=title, unit="kW",
            time_zone=site.time_zone,
        )  # fmt: skip
        made[event.event_id] = embedded(png, title=title)
    return made
