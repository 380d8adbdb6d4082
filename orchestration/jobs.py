"""Jobs: one a partitions definition, so that months, sites and quarters each have their own."""

import dagster as dg

# A released command must never be released again by a retry, and a hung run must end.
ACTS_ON_HARDWARE = {"dagster/max_runtime": "300", "dagster/max_retries": "0"}

# It reads the whole store: once a day, not beside every command.
WRITTEN = dg.AssetSelection.checks(
    dg.AssetCheckKey(dg.AssetKey("core_site__released_commands"), "store_is_as_it_was_written")
)

ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.assets("core_site__reference", "raw_landing__15min_readings"),
    description="Read landing files of one site into the lake.",
)
kpi = dg.define_asset_job(
    "kpi",
    selection=dg.AssetSelection.assets("core_lake__month_quality", "core_lake__15min_readings", "core_marts__published")
    | dg.AssetSelection.tag("kpi", ""),
    description="Validate a site's months and compute their KPI marts.",
)
enpi = dg.define_asset_job(
    "enpi",
    selection=dg.AssetSelection.assets("core_seu__expected_days", "core_enpi__published")
    | dg.AssetSelection.tag("enpi", ""),
    description="Compare the days of a site's months with its baselines.",
)
baseline = dg.define_asset_job(
    "baseline",
    selection=dg.AssetSelection.assets("core_seu__baseline"),
    description="Fit baselines of a site's SEUs and register them.",
)
forecast = dg.define_asset_job(
    "forecast",
    selection=dg.AssetSelection.assets("core_site__forecast_models", "core_site__day_ahead_forecast"),
    description="Backtest, promote and issue the day-ahead forecasts of a site.",
)
plan = dg.define_asset_job(
    "plan",
    selection=dg.AssetSelection.assets("core_site__plan"),
    description="Optimise the next 24 hours and store plan and commands together.",
    # The solver stops after 30 s; this ends what hangs, before the next quarter hours pile up behind it.
    tags={"dagster/max_runtime": "300"},
)
dispatch = dg.define_asset_job(
    "dispatch",
    selection=dg.AssetSelection.assets("core_site__released_commands") - WRITTEN,
    description="Release the commands of the current slot to the agent, and wait for their proof.",
    tags=ACTS_ON_HARDWARE,
)
enpi_report = dg.define_asset_job(
    "enpi_report",
    selection=dg.AssetSelection.assets("out_site__enpi_quarter"),
    description="Quarterly EnPI report of a site: PDF, XLSX and JSON with a trace behind every figure.",
)
month_reports = dg.define_asset_job(
    "month_reports",
    selection=dg.AssetSelection.assets("out_site__month_reports"),
    description="Reports of templates that end with a site's month: quality, bills, summaries, inventory, the year.",
)

monitoring = dg.define_asset_job(
    "monitoring",
    selection=dg.AssetSelection.assets("core_seu__monitoring_baseline"),
    description="Refit the monitoring baselines of a site that are a week old.",
)

bill_audit = dg.define_asset_job(
    "bill_audit",
    selection=dg.AssetSelection.assets("core_bill__reconciliation"),
    description="Hold the stored bills of a site against its readings and tariffs.",
)

trust = dg.define_asset_job(
    "trust",
    selection=WRITTEN,
    description="Hold every row on which safety, money or approval rests against its seal and its signature.",
)

JOBS = [
    ingest,
    kpi,
    enpi,
    baseline,
    monitoring,
    bill_audit,
    forecast,
    plan,
    dispatch,
    enpi_report,
    month_reports,
    trust,
]
