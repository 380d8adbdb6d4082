"""Jobs: one a partitions definition, so that months, sites and quarters each have their own.

A month of closed loops is a job without partitions: site, month, policies and seeds stand in its config.
"""

import dagster as dg

from data_quality.contracts.time import parse_period
from orchestration.closed_loops.simulate import cost_picture, known_policies, simulated
from orchestration.previews import embedded, table
from orchestration.resources import ProjectResource


class MonthLoops(dg.Config):
    """Month to run, such as 2024-01, and so many houses from the seed on."""

    site: str = "home"
    month: str = "2024-01"
    policies: list[str] = []
    seed: int = 1
    seeds: int = 1


@dg.op
def month_of_closed_loops(context: dg.OpExecutionContext, config: MonthLoops, project: ProjectResource) -> None:
    """Every policy on every house; what they came to is the step's metadata, and nothing is stored."""
    site = project.site(config.site)
    month = parse_period(config.month, site.time_zone)
    found = simulated(
        site,
        known_policies(config.policies),
        start_utc=month.start_utc,
        end_utc=month.end_utc,
        seeds=range(config.seed, config.seed + config.seeds),
        fan_out=project.work(context.log.info),
    )
    names = ("name", "cost", "saved_share", "kgco2e", "discomfort_degree_hours", "cycles", "switchings")
    rows = [[getattr(line, name) for name in names] for line in found.policies]
    context.add_output_metadata(
        {
            "policies": table(names, rows),
            "picture": embedded(cost_picture(found), title="cost so far"),
            "currency": found.currency,
            "is_synthetic": True,
        }
    )


@dg.job(
    description=(
        "Lets the policies of plans run a month of a simulated site, side by side. Run it by hand: site, month, "
        "policies and seeds are its config. Nothing is stored, and everything in it is synthetic."
    ),
    executor_def=dg.in_process_executor,
)
def closed_loop_month() -> None:
    """See the op."""
    month_of_closed_loops()


# A released command must never be released again by a retry, and a hung run must end.
ACTS_ON_HARDWARE = {"dagster/max_runtime": "300", "dagster/max_retries": "0"}

# They read the whole store and solve a day of plans: once a day, not beside every plan and command.
WRITTEN = dg.AssetSelection.checks(
    dg.AssetCheckKey(dg.AssetKey("core_site__released_commands"), "store_is_as_it_was_written"),
    dg.AssetCheckKey(dg.AssetKey("core_site__plan"), "stored_plans_give_their_hash"),
    dg.AssetCheckKey(dg.AssetKey("core_site__plan"), "optimum_agrees_with_cbc"),
)

ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.assets("core_site__reference", "raw_landing__15min_readings"),
    description=(
        "Reads meter files of one site: new files of its landing folder, asked for by the sensor landing. Writes "
        "readings; what cannot be read is kept in quarantine."
    ),
    # Two short steps, one behind the other, every quarter hour: processes of their own would take longer than they do.
    executor_def=dg.in_process_executor,
)
kpi = dg.define_asset_job(
    "kpi",
    selection=dg.AssetSelection.assets("core_lake__month_quality", "core_lake__15min_readings", "core_marts__published")
    | dg.AssetSelection.tag("kpi", ""),
    description=(
        "Validates months of a site and computes their KPIs. Asked for by the sensor lake_changes when readings, "
        "site file or factors change; a blocking check that fails leaves the published KPIs as they were."
    ),
)
enpi = dg.define_asset_job(
    "enpi",
    selection=dg.AssetSelection.assets("core_seu__expected_days", "core_enpi__published")
    | dg.AssetSelection.tag("enpi", ""),
    description=(
        "Compares the days of a site's months with its energy baselines. Asked for by the sensor enpi_changes "
        "after the KPIs."
    ),
)
baseline = dg.define_asset_job(
    "baseline",
    selection=dg.AssetSelection.assets("core_seu__baseline"),
    description=(
        "Fits the energy baselines of a site's significant energy uses and registers them in MLflow. Run it once "
        "readings of the baseline period are in; later the sensor baseline_changes asks. A person approves each "
        "version."
    ),
)
forecast = dg.define_asset_job(
    "forecast",
    selection=dg.AssetSelection.assets("core_site__forecast_models", "core_site__day_ahead_forecast"),
    description=(
        "Backtests forecast models of a site, registers the best, lets it lead where it gains significantly, and "
        "issues the day-ahead forecasts. Weekly and after drift by itself, else by hand."
    ),
)
forecast_issue = dg.define_asset_job(
    "forecast_issue",
    selection=dg.AssetSelection.assets("core_site__day_ahead_forecast"),
    description=(
        "Issues the forecasts of a site by its leading models, and those of challengers beside them. Hourly by itself "
        "for sites with devices; it trains nothing."
    ),
)
forecast_watch = dg.define_asset_job(
    "forecast_watch",
    selection=dg.AssetSelection.assets("core_site__forecast_scores"),
    description=(
        "Scores the issued forecasts of a site where readings are in, looks for drift of data and of errors, and "
        "compares challengers. Nightly by itself."
    ),
)
weather = dg.define_asset_job(
    "weather",
    selection=dg.AssetSelection.assets("core_site__weather_forecast"),
    description=(
        "Asks a site's weather feed, or reads its files, and keeps what is new with the time from which on it was "
        "known. As often as the site's weather_feed says."
    ),
    # A feed gives up by itself after some minutes; this ends what hangs.
    tags={"dagster/max_runtime": "900"},
)
pull = dg.define_asset_job(
    "pull",
    selection=dg.AssetSelection.assets("raw_landing__pulled_files"),
    description=(
        "Asks a site's InfluxDB and its market of prices for what is not known yet, and lands it as files. As often as "
        "its sources say."
    ),
    # Two years of history take minutes, and go on where they were ended.
    tags={"dagster/max_runtime": "3600"},
)
plan = dg.define_asset_job(
    "plan",
    selection=dg.AssetSelection.assets("core_site__plan") - WRITTEN,
    description=(
        "Plans the next 24 hours of a site's devices at the least cost and stores plan and commands together. "
        "Asked for by the sensor plan_changes; it sends nothing."
    ),
    # The solver stops after 30 s; this ends what hangs, before the next quarter hours pile up behind it.
    tags={"dagster/max_runtime": "300"},
    # One step: a process of its own would first load everything once more.
    executor_def=dg.in_process_executor,
)
dispatch = dg.define_asset_job(
    "dispatch",
    selection=dg.AssetSelection.assets("core_site__released_commands") - WRITTEN,
    description=(
        "Releases the commands of this quarter hour to the agent and waits for their proof, as far as the site's "
        "mode allows. Asked for by the sensor dispatch_slots; never repeated by itself."
    ),
    tags=ACTS_ON_HARDWARE,
    # Between its queue and the release lies the start of one process, not of two.
    executor_def=dg.in_process_executor,
)
execution = dg.define_asset_job(
    "execution",
    selection=dg.AssetSelection.assets("core_site__execution"),
    description=(
        "Holds what the devices of a site did in the last 24 hours against its plans, and asks about what people set "
        "by hand again and again. Hourly by itself; it sends and changes nothing."
    ),
    tags={"dagster/max_runtime": "300"},
)
enpi_report = dg.define_asset_job(
    "enpi_report",
    selection=dg.AssetSelection.assets("out_site__enpi_quarter"),
    description=(
        "Writes the quarterly EnPI report of a site: PDF, XLSX and JSON, with a trace behind every figure. Every "
        "run is a new revision; on the fifth day after the quarter it runs by itself."
    ),
)
month_reports = dg.define_asset_job(
    "month_reports",
    selection=dg.AssetSelection.assets("out_site__month_reports"),
    description=(
        "Writes the reports that end with a site's month: data quality, bills, summaries, inventory and, in "
        "December, the year. On the fifth day after the month it runs by itself."
    ),
)

disclosure = dg.define_asset_job(
    "disclosure",
    selection=dg.AssetSelection.assets("out_project__disclosures"),
    description=(
        "Writes the packs of data points of a year that meterloom.yaml states under report.packs, as drafts for the "
        "library. On the fifth day after the year it runs by itself."
    ),
)
benchmark = dg.define_asset_job(
    "benchmark",
    selection=dg.AssetSelection.assets("core_project__benchmark"),
    description=(
        "Ranks the sites of the organisation in a year among their peers by energy per floor area, and keeps that for "
        "the page of packs. On the fifth day after the year it runs by itself."
    ),
)

anomalies = dg.define_asset_job(
    "anomalies",
    selection=dg.AssetSelection.assets("core_site__anomaly_events", "core_project__cause_model"),
    description=(
        "Judges the electricity meters of a site in its months and keeps what differs from what is usual as events "
        "with energy and cost, and learns causes from new labels. Nightly by itself for the month in progress and the "
        "one before."
    ),
)

monitoring = dg.define_asset_job(
    "monitoring",
    selection=dg.AssetSelection.assets("core_seu__monitoring_baseline"),
    description=(
        "Refits the monitoring baselines of a site that are a week old. Daily by itself; they warn early and feed "
        "no report."
    ),
)

bill_audit = dg.define_asset_job(
    "bill_audit",
    selection=dg.AssetSelection.assets("core_bill__reconciliation"),
    description=(
        "Recomputes the stored suppliers' bills of a site from its readings and tariffs and shows what differs. "
        "Daily by itself; no bill and no figure is changed."
    ),
)

trust = dg.define_asset_job(
    "trust",
    selection=WRITTEN,
    description=(
        "Holds every row on which safety, money or approval rests against its seal and its signature, solves the "
        "day's plans again, and each site's newest once more with PuLP and CBC. Daily by itself; it only reads."
    ),
)

# Each job above.
JOBS = tuple(each for each in tuple(globals().values()) if isinstance(each, dg.JobDefinition | type(ingest)))
