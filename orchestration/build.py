"""Put the graph together. Tests swap a resource or an asset here and nowhere else."""

import os
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import dagster as dg
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements

import assets.bills.defs
import assets.feeds.defs
import assets.kpi.defs
import assets.readings.defs
import assets.sites.defs
import controls.defs
import data_quality.defs
import ml.defs
import reports.defs
from orchestration.advice_asset import advise, core_circuit__disaggregation, core_site__recommendations, nilm
from orchestration.jobs import JOBS
from orchestration.resources import CLOCK, ContractFrames, ProjectResource
from orchestration.schedules import SCHEDULES
from orchestration.sensors.dispatch import dispatch_slots
from orchestration.sensors.event_settlements import core_event__settlement, dr_settle, over_events
from orchestration.sensors.event_steps import dr_event, open_events
from orchestration.sensors.job_outcomes import job_outcomes
from orchestration.sensors.lake_changes import baseline_changes, enpi_changes, lake_changes, report_changes
from orchestration.sensors.landing import landing
from orchestration.sensors.offer import home_assistant
from orchestration.sensors.plan_trigger import plan_changes
from orchestration.sensors.workflow_steps import workflow_triggers, workflows
from orchestration.yearly_assets import core_project__benchmark, out_project__disclosures

SHELLS: Sequence[ModuleType] = (
    assets.sites.defs,
    assets.readings.defs,
    assets.kpi.defs,
    assets.bills.defs,
    assets.feeds.defs,
    data_quality.defs,
    ml.defs,
    controls.defs,
    reports.defs,
)
# Steps to be nicer by: they get a tenth of a processor that others want, and all of one that nobody wants.
BACKGROUND = 10
SENSORS = [
    landing,
    lake_changes,
    enpi_changes,
    baseline_changes,
    report_changes,
    plan_changes,
    dispatch_slots,
    job_outcomes,
    home_assistant,
    workflow_triggers,
    open_events,
    over_events,
]


def default_resources() -> dict[str, Any]:
    """Resources of a running system: the project named by the environment, the machine's clock."""
    project = ProjectResource()
    return {
        "project": project,
        "clock": CLOCK,
        "frames": ContractFrames(project=project),
    }


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The whole graph, with some resources replaced."""
    return dg.Definitions(
        assets=[
            *dg.load_assets_from_modules(list(SHELLS)),
            core_circuit__disaggregation,
            core_event__settlement,
            core_project__benchmark,
            core_site__recommendations,
            out_project__disclosures,
        ],
        asset_checks=dg.load_asset_checks_from_modules(list(SHELLS)),
        jobs=[*JOBS, workflows, dr_event, dr_settle, advise, nilm],
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={**default_resources(), **(resources or {})},
        executor=EXECUTOR,
    )


def _in_the_background(context: dg.InitExecutorContext) -> dg.Executor:
    """Dagster's multiprocess executor at low priority: its steps leave the processor to releases and plans."""
    os.nice(BACKGROUND)
    return dg.multiprocess_executor.executor_creation_fn(context)  # type: ignore[misc]  # It has one.


# Two steps at once: a factory PC has two cores to spare. The fork server keeps the imports.
EXECUTOR = dg.ExecutorDefinition(
    name="multiprocess",
    config_schema=dg.multiprocess_executor.config_schema.as_field(),
    requirements=multiple_process_executor_requirements(),
    executor_creation_fn=_in_the_background,
).configured(
    {
        "max_concurrent": 2,
        "start_method": {"forkserver": {"preload_modules": ["orchestration.definitions"]}},
    }
)
