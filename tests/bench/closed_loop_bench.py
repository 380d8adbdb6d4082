"""Closed loops on the simulated home against the figures wanted of them: cost, promise, comfort, seconds a plan.

Run: `.venv/bin/python -m tests.bench.closed_loop_bench --folder runs --prices de_lu_day_ahead_2024.csv --seeds 10`.
Each policy, month and seed is one file of the folder, written when it is done: what is there is not run again.
Prices: `utc_start,…,price_eur_per_mwh`, hourly; a kWh costs (price + adders) x VAT and earns the price. Without: the
site's simulated market.
"""

import argparse
import csv
import resource
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import numpy as np

import assets.sites
from assets.sites.load_sites import load_site
from controls.planning.closed_loop.run_loop import WATCHED, LoopRun, PolicyName, side_by_side
from data_quality.contracts.site_file.site import Site
from orchestration.closed_loops.simulate import LoopTask, Price, run_task

HOME = Path(assets.sites.__file__).parent / "demo" / "home.yaml"
# As in the worked bill of a dynamic tariff: network and levies, margin, then VAT. CZK a EUR, for wear and comfort.
ADDERS_EUR, VAT, CZK_PER_EUR = 0.1873 + 0.0150, 1.19, 25.0
MONTHS = {"january": (datetime(2024, 1, 1, tzinfo=UTC), 31), "may": (datetime(2024, 5, 1, tzinfo=UTC), 31)}


def in_euro(site: Site) -> Site:
    """The home where all that is money is in EUR: what its battery wears, what a kelvin too little is worth."""
    changed = []
    for asset in site.assets:
        params = dict(asset.params)
        if "wear_per_kwh" in params:
            params["wear_per_kwh"] = float(str(params["wear_per_kwh"])) / CZK_PER_EUR
        changed.append(asset.model_copy(update={"params": params}))
    return site.model_copy(update={"assets": tuple(changed), "currency": "EUR"})


def prices_of(path: Path, start: datetime, end: datetime) -> tuple[Price, ...]:
    """Quarter hours from two weeks before to three days after; hours beyond the file as a week before."""
    hourly = dict[datetime, float]()
    with path.open() as file:
        for row in csv.DictReader(file):
            at = datetime.fromisoformat(row["utc_start"].replace("Z", "+00:00"))
            hourly[at] = float(row["price_eur_per_mwh"]) / 1000
    found, at = list[Price](), start - WATCHED - timedelta(days=1)
    while at < end + timedelta(days=3):
        hour = at.replace(minute=0)
        while hour not in hourly:
            hour += timedelta(days=7 if hour < start else -7)
        market = hourly[hour]
        found.append((at, (market + ADDERS_EUR) * VAT, market))
        at += timedelta(minutes=15)
    return tuple(found)


def run_of(task: LoopTask, path: Path) -> LoopRun:
    """From the folder where it is there, else done and written."""
    if path.exists():
        return LoopRun.model_validate_json(path.read_text())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    run = run_task(task)
    path.write_text(run.model_dump_json())
    seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    sys.stdout.write(f"{path.stem}: {run.lived.cost:.2f}, {seconds:.0f} s of processor\n")
    sys.stdout.flush()
    return run


def verdicts(runs: Sequence[LoopRun]) -> list[str]:
    """The figures wanted of one month, each with what was reached."""
    cost = {(run.policy, run.seed): run.lived.cost for run in runs}
    seeds = sorted({run.seed for run in runs})

    def median(over: PolicyName, under: PolicyName) -> float:
        found = [
            cost[over, seed] / cost[under, seed] - 1 for seed in seeds if {(over, seed), (under, seed)} <= cost.keys()
        ]
        return float(np.median(found)) if found else float("nan")

    by_name = {line.name: line for line in side_by_side(runs)}
    promised = [run.breaches for run in runs if run.policy == "stochastic" and run.breaches]
    hours, passed = sum(one.hours for one in promised), sum(one.passed for one in promised)
    apart = 1.96 * (0.09 / hours) ** 0.5 if hours else 0.0
    lines = [
        f"stochastic, promise passed in {passed} of {hours} hours: {passed / max(hours, 1):.1%}, "
        f"wanted {0.1 - apart:.1%} to {0.1 + apart:.1%}"
    ]
    for name in ("deterministic", "stochastic"):
        if (line := by_name.get(name)) is None:
            continue
        mine = [run for run in runs if run.policy == name]
        lines += [
            f"{name} against no control: {median(name, 'no_control'):+.1%} (wanted -20 % or less)",
            f"{name} against perfect foresight, median: {median(name, 'perfect_foresight'):+.1%} (wanted +5 % or less)",
            f"{name}: hours outside comfort {line.breach_share:.2%} (wanted 1 % or less)",
            f"{name}: own sun used {line.self_consumption or 0:.0%} (wanted above 70 %)",
            f"{name}: {np.mean([run.plan_seconds[0] for run in mine]):.3f} s of processor a plan (wanted 0.41 or less)",
        ]
    lines.append(f"stochastic against deterministic: {median('stochastic', 'deterministic'):+.1%} (wanted 0 or less)")
    return lines


def main() -> None:
    """Run what is missing, print a table and the figures of each month."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path("closed_loops"))
    parser.add_argument("--prices", type=Path)
    parser.add_argument("--months", nargs="+", choices=list(MONTHS), default=list(MONTHS))
    parser.add_argument("--policies", nargs="+", choices=get_args(PolicyName), default=get_args(PolicyName))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--days", type=int)
    parser.add_argument("--stated-rooms", action="store_true")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    site = load_site(HOME)
    for month in chosen.months:
        start, days = MONTHS[month]
        days = chosen.days or days
        prices = prices_of(chosen.prices, start, start + timedelta(days=days)) if chosen.prices else None
        runs = []
        for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
            for policy in chosen.policies:
                task = LoopTask(
                    site=in_euro(site) if prices else site,
                    policy=policy,
                    seed=seed,
                    start_utc=start,
                    hours=24 * days,
                    prices=prices,
                    fits_rooms=not chosen.stated_rooms,
                )
                market = (chosen.prices.stem if chosen.prices else "simulated") + (
                    "" if chosen.stated_rooms else "-fitted"
                )
                runs.append(run_of(task, chosen.folder / f"{month}-{days}d-{market}-{policy}-{seed}.json"))
        sys.stdout.write(f"\n{month}, {days} days, {chosen.seeds} seeds\n")
        for line in side_by_side(runs):
            own = "-" if line.self_consumption is None else f"{line.self_consumption:.0%}"
            sys.stdout.write(
                f"  {line.name:18} cost {line.cost:9.2f}  kgCO2e {line.kgco2e:8.1f}"
                f"  K h {line.discomfort_degree_hours:7.1f}  outside {line.breach_share:.2%}"
                f"  cycles {line.cycles:5.1f}  switchings {line.switchings:6.0f}  sun {own}\n"
            )
        for sentence in verdicts(runs):
            sys.stdout.write(f"  {sentence}\n")


if __name__ == "__main__":
    main()
