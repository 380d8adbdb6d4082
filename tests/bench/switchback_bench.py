"""Experiments with drawn days against the figures wanted of them: coverage, false claims; and two arms of advice.

Run: `.venv/bin/python -m tests.bench.switchback_bench [--folder F]`. A year of each simulated house is simulated once,
by plan and by habit, each day from where either left battery and room the day before; experiments of 60 days are drawn
from it. The year is kept in the folder, and recomputed where it is not there.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

import assets.sites
from assets.advice.preferences import Answered, Preference, preferences_of, ranked
from assets.experiments.experiment_days import draw_experiment
from assets.experiments.saving import Saving, SpanOutcome, saving_of
from assets.experiments.two_arms import AnsweredAdvice, Comparison, compared, draw_arms
from assets.sites.load_sites import load_site
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.battery import Battery
from controls.optimiser.devices.connection import Connection
from controls.optimiser.devices.device import numbers
from controls.optimiser.devices.pv import Pv
from controls.optimiser.devices.room import Room
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.habit import habit_of
from controls.planning.replay.decisions import by_slot, done
from controls.simulator.physics.grid import year_grid
from controls.simulator.physics.noise import Series
from controls.simulator.physics.weather import weather
from controls.simulator.worlds.home import HomeTruth, house_power_kw, import_price, pv_power_kw
from data_quality.contracts.finding import Finding

HOME = Path(assets.sites.__file__).parent / "demo" / "home.yaml"
YEAR, DAYS, ZONE = 2025, 60, "UTC"
# A plan sees the morning after, too.
_AHEAD = 12
# Of the house, kWh a kelvin.
_HEAT = 8.0
SEEDS = 200
ARMS = ("plan", "habit")


@dataclass(frozen=True)
class Hours:
    """A simulated house by hours of a year, kW, degC and money a kWh, and what its plans expect."""

    load_kw: Series
    sun_kw: Series
    outdoor_degc: Series
    price: Series
    load_seen_kw: Series
    sun_seen_kw: Series
    battery_kwh: float
    heater_kw: float


def house(seed: int) -> Hours:
    """A house whose size and people are drawn from a seed. A plan expects an ordinary day, and its sun errs."""
    site, chance = load_site(HOME), np.random.default_rng(seed)
    grid = year_grid(site, YEAR)
    sky = weather(grid, latitude_deg=50.0, longitude_deg=15.0, mean_degc=10.0, seed=seed)
    truth = HomeTruth(mean_price=0.30)

    def hourly(values: Series) -> Series:
        means: Series = values[: values.size // 4 * 4].reshape(-1, 4).mean(axis=1)
        return means

    load = hourly(house_power_kw(grid, seed=seed))
    sun = hourly(
        pv_power_kw(ghi_w_per_m2=sky.ghi_w_per_m2, outdoor_degc=sky.outdoor_degc, peak_kw=chance.uniform(4, 9),
                    truth=truth)
    )  # fmt: skip
    usual = np.tile(load.reshape(-1, 24).mean(axis=0), load.size // 24)
    errs = np.repeat(np.exp(chance.normal(0, 0.25, load.size // 24)), 24)
    return Hours(
        load_kw=load, sun_kw=sun, outdoor_degc=hourly(sky.outdoor_degc), load_seen_kw=usual, sun_seen_kw=sun * errs,
        price=hourly(import_price(grid, ghi_w_per_m2=sky.ghi_w_per_m2, truth=truth, seed=seed)),
        battery_kwh=float(chance.uniform(5, 12)), heater_kw=6.0,
    )  # fmt: skip


def case_of_day(of: Hours, first: int, steps: int, held: tuple[float, float], *, is_seen: bool) -> DispatchCase:
    """The problem from an hour on. held: what the battery stores, kWh, and the room's temperature."""
    part = slice(first, first + steps)
    low = tuple(20.0 if 6 <= (first + t) % 24 < 22 else 17.0 for t in range(steps))
    half = of.battery_kwh / 2
    return DispatchCase(
        case_id="house", currency="EUR", start_utc=datetime(YEAR, 1, 1, tzinfo=UTC) + timedelta(hours=first),
        step_h=(1.0,) * steps, load_kw=tuple((of.load_seen_kw if is_seen else of.load_kw)[part].tolist()),
        connection=Connection(
            import_price_per_kwh=tuple(of.price[part].tolist()),
            export_price_per_kwh=tuple((0.3 * of.price[part]).tolist()), import_max_kw=25, export_max_kw=15,
        ),
        devices=(
            Pv(device_id="pv", pv_kw=tuple((of.sun_seen_kw if is_seen else of.sun_kw)[part].tolist())),
            Battery(
                device_id="battery", max_charge_kw=half, max_discharge_kw=half, charge_efficiency=0.96,
                discharge_efficiency=0.96, soc_min_kwh=0.1 * of.battery_kwh, soc_max_kwh=of.battery_kwh,
                soc_init_kwh=held[0], soc_end_min_kwh=0.1 * of.battery_kwh, capacity_kwh=of.battery_kwh,
                end_value_per_kwh=max(float(of.price[part].mean()), 0.0),
            ),
            Room(
                device_id="room", heater_kw=of.heater_kw, r_k_per_kw=5.0, c_kwh_per_k=_HEAT, duty_from_h=1.0,
                init_degc=held[1],
                outdoor_degc=tuple(of.outdoor_degc[part].tolist()), gain_kw=(0.3,) * steps, low_degc=low,
                high_degc=(24.0,) * steps, heat_value_per_kwh=max(float(of.price[part].mean()), 0.0),
                hot_price_per_kh=0.2,
            ),
        ),
    )  # fmt: skip


def lived(of: Hours, day: int, held: tuple[float, float], arm: str) -> tuple[float, float, float]:
    """Money of a day by one arm, from what is held at its begin, and what is held at its end."""
    actual = case_of_day(of, 24 * day, 24, held, is_seen=False)
    hours = np.ones(24)
    if arm == "habit":
        found = habit_of(actual)
        assert not isinstance(found, Finding), found
        columns = found[1]
    else:
        steps = min(24 + _AHEAD, of.price.size - 24 * day)
        seen = case_of_day(of, 24 * day, steps, held, is_seen=True)
        answer = solve(seen, gap=0.01, time_limit_s=5)
        assert isinstance(answer, Solution), answer
        columns = {}
        for planned, own in zip(seen.devices, actual.devices, strict=True):
            series = answer.series.devices[planned.device_id]
            commands = [planned.commands({key: row[t] for key, row in series.items()}, t) for t in range(24)]
            # A heater of which an hour has a share is switched within it.
            decisions = (
                {"heating_kw": np.array(series["heating_kw"][:24])}
                if isinstance(own, Room)
                else by_slot(own, [own.acted(each, t) for t, each in enumerate(commands)])
            )
            columns[own.device_id] = done(own, decisions, hours)
    net = actual.net_kw(columns)
    price = np.array(actual.connection.import_price_per_kwh)
    money = float(np.maximum(net, 0) @ price - 0.3 * np.maximum(-net, 0) @ price)
    battery, room = numbers(columns["battery"]), numbers(columns["room"])
    return money, float(battery["soc_end_kwh"][-1]), float(room["room_degc"][-1])


def year_of(seed: int, folder: Path) -> pl.DataFrame:
    """A row for each day, arm and arm of the day before: what it cost, and what was held before and after it."""
    path = folder / f"switchback_{YEAR}_{seed}.parquet"
    if path.exists():
        return pl.read_parquet(path)
    of, rows = house(seed), []
    held = dict.fromkeys(ARMS, (of.battery_kwh / 2, 19.0))
    for day in range(of.price.size // 24):
        part, after = slice(24 * day, 24 * day + 24), dict(held)
        for before in ARMS:
            for arm in ARMS:
                money, kwh, degc = lived(of, day, held[before], arm)
                rows.append(
                    {
                        "day": day, "before": before, "arm": arm, "money": money, "kwh_0": held[before][0],
                        "degc_0": held[before][1], "kwh_1": kwh, "degc_1": degc,
                        "outdoor_degc": of.outdoor_degc[part].mean(), "sun_kwh": of.sun_kw[part].sum(),
                        "load_kwh": of.load_kw[part].sum(), "sun_seen_kwh": of.sun_seen_kw[part].sum(),
                        "price": of.price[part].mean(),
                        "spread": np.ptp(of.price[part]), "c_kwh_per_k": _HEAT,
                    }
                )  # fmt: skip
                if before == arm:
                    after[arm] = (kwh, degc)
        held = after
    frame = pl.DataFrame(rows)
    frame.write_parquet(path)
    return frame


def outcomes_of(
    year: dict[tuple[int, str, str], dict[str, float]], first: int, arms: list[str], *, is_same: bool
) -> list[SpanOutcome]:
    """Outcomes of an experiment's spans. is_same: both arms are the plan, as nothing was to be found."""
    found, before = [], "plan"
    for n, arm in enumerate(arms):
        row = year[first + n, "plan" if is_same else before, "plan" if is_same else arm]
        found.append(
            SpanOutcome(
                start_utc=datetime(YEAR, 1, 1, tzinfo=UTC) + timedelta(days=first + n),
                arm=arm,  # type: ignore[arg-type]
                before=before,  # type: ignore[arg-type]
                cost=row["money"],
                known={name: row[name] for name in KNOWN},
            )
        )
        before = arm
    return found


KNOWN = ("outdoor_degc", "price", "sun_seen_kwh")


def trial(year: pl.DataFrame, seed: int, *, is_same: bool = False) -> tuple[Saving, float]:
    """One experiment of 60 days that begin at random, and the true saving of a day in them."""
    by = {(row["day"], row["before"], row["arm"]): row for row in year.to_dicts()}
    first = int(np.random.default_rng([seed, 7]).integers(1, 365 - DAYS))
    start = date(YEAR, 1, 1) + timedelta(days=first)
    design = draw_experiment(
        "house", ZONE, first=start, days=DAYS, share=0.3, seed=seed, now_utc=datetime(YEAR - 1, 1, 1, tzinfo=UTC)
    )
    arms = [str(one.arm) for one in design.spans]
    found = saving_of(design, outcomes_of(by, first, arms, is_same=is_same), design.end_utc)
    assert isinstance(found, Saving), found
    days = range(first, first + DAYS)
    truth = float(np.mean([by[d, "habit", "habit"]["money"] - by[d, "plan", "plan"]["money"] for d in days]))
    return found, 0.0 if is_same else truth


def switchback(folder: Path, houses: int) -> list[str]:
    """Coverage over all houses, and claims where there is nothing to claim."""
    years = [year_of(seed, folder) for seed in range(1, houses + 1)]
    lines, inside, claims, found, widths = [], 0, 0, 0, []
    for n, year in enumerate(years):
        own, off = 0, []
        for seed in range(SEEDS):
            saving, truth = trial(year, seed)
            own += saving.interval[0] <= truth <= saving.interval[1]
            off.append(saving.saving - truth)
            found += saving.verdict == "saves"
            widths.append((saving.interval[1] - saving.interval[0]) / 2)
            claims += trial(year, seed, is_same=True)[0].verdict == "saves"
        inside += own
        lines.append(
            f"house {n + 1}: 90 % bands of {SEEDS} experiments cover {own / SEEDS:.1%}, off {np.mean(off):+.2f} EUR"
        )
    count = SEEDS * houses
    lines += [
        f"90 % bands cover {inside / count:.1%} (wanted 86 to 94 %)",
        f"nothing to find: {claims / count:.1%} claim a saving (wanted 6.4 % at most)",
        f"a real saving is found in {found / count:.1%}; half a band is {np.mean(widths):.3f} EUR a day",
    ]
    return lines


def answers(seed: int, shares: tuple[float, float], *, kinds_matter: bool = False) -> list[AnsweredAdvice]:
    """200 recommendations to twenty sites of ten kinds. kinds_matter: four in five for two kinds of each site."""
    chance = np.random.default_rng([seed, 11])
    pairs = [(f"site{n}", f"kind{k}") for n in range(20) for k in range(10)]
    drawn, found = draw_arms(pairs, {}, seed=seed), list[AnsweredAdvice]()
    liked = {f"site{n}": {f"kind{k}" for k in chance.choice(10, 2, replace=False)} for n in range(20)}
    for place in chance.permutation(len(pairs)):
        site, kind = pairs[place]
        share = (0.8 if kind in liked[site] else 0.2) if kinds_matter else shares[drawn[site, kind]]
        found.append(AnsweredAdvice(site, kind, of_other=drawn[site, kind], is_accepted=bool(chance.random() < share)))
    return found


def two_arms(count: int = 1000) -> list[str]:
    """Share of experiments in which a winner is named, as lines."""

    def named(shares: tuple[float, float], *, kinds_matter: bool = False) -> float:
        found = [compared(answers(seed, shares, kinds_matter=kinds_matter)) for seed in range(count)]
        return sum(isinstance(one, Comparison) and one.winner is not None for one in found) / count

    right = [compared(answers(seed, (0.3, 0.5))) for seed in range(count)]
    power = sum(isinstance(one, Comparison) and one.winner == "model" for one in right) / count
    return [
        f"two equal arms (40 %): a winner in {named((0.4, 0.4)):.1%} of {count} (wanted 6.4 % at most)",
        f"two equal arms, each site with tastes of its own: {named((0, 0), kinds_matter=True):.1%} (6.4 % at most)",
        f"50 against 30 %: the better arm is named within 200 shown in {power:.1%} (wanted 75 % or more)",
    ]


def taste(seed: int) -> tuple[float, float]:
    """Acceptance of the first five of thirty, before and after thirty decisions; no figure of them moves."""
    chance, now = np.random.default_rng([seed, 13]), datetime(YEAR, 1, 1, tzinfo=UTC)
    liked = {f"kind{k}" for k in chance.choice(10, 2, replace=False)}
    open_ones = [(f"kind{n % 10}", float(value)) for n, value in enumerate(chance.lognormal(5, 1, 30))]

    def share(one: tuple[str, float]) -> float:
        return 0.8 if one[0] in liked else 0.2

    def first(known: dict[str, Preference]) -> list[tuple[str, float]]:
        return ranked(open_ones, known, kind_of=lambda one: one[0], value_of=lambda one: one[1])

    # Each of the thirty is decided once; the next thirty are of the same kinds and worth the same.
    answers = [Answered(one[0], bool(chance.random() < share(one)), now) for one in open_ones]
    known = preferences_of(answers, now_utc=now)
    assert sorted(first(known)) == sorted(open_ones)
    before, after = (float(np.mean([share(one) for one in first(each)[:5]])) for each in ({}, known))
    return before, after


def tastes() -> list[str]:
    """The lift of the first five."""
    lifts = [after - before for before, after in map(taste, range(50))]
    text = "thirty decisions lift the acceptance of the first five by"
    return [f"{text} {100 * np.median(lifts):.0f} points (15 are wanted)"]


def main() -> None:
    """Print every figure beside what is wanted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--houses", type=int, default=3)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for lines in (tastes(), two_arms(), switchback(options.folder, options.houses)):
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
