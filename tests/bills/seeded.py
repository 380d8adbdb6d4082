"""Register bills (day and night, the simple tariff table) with one fault of a known kind each, and right ones.

The supplier's arithmetic is written out here, line by line, apart from our engine.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal

from assets.bills.documents.reads import MeterReads, ReadState, RegisteredMeter
from assets.tariffs.formats.tariff_file import read_simple_table
from tests.bills.papers import Paper, Scene, cents
from tests.bills.seeded_intervals import INTERVAL_FAULTS, interval_scene

D = Decimal
TABLES: tuple[dict[str, dict[str, str]], ...] = (
    {
        "A-23": {"day_rate": "0.3120", "night_rate": "0.1710", "standing_per_day": "0.5150", "ccl_per_kwh": "0.00672",
                 "vat": "0.20", "valid_from": "2023-01-01", "valid_to": "2023-10-01"},
        "A-24": {"day_rate": "0.2890", "night_rate": "0.1585", "standing_per_day": "0.5480", "ccl_per_kwh": "0.00775",
                 "vat": "0.20", "valid_from": "2023-10-01", "valid_to": "2025-01-01"},
    },
    {
        "K9": {"day_rate": "0.24117", "night_rate": "0.19883", "standing_per_day": "1.2033", "ccl_per_kwh": "0.00775",
               "vat": "0.05", "valid_from": "2023-01-01", "valid_to": "2023-07-01"},
        "K10": {"day_rate": "0.26555", "night_rate": "0.20001", "standing_per_day": "1.2033", "ccl_per_kwh": "0.00801",
                "vat": "0.05", "valid_from": "2023-07-01", "valid_to": "2024-07-01"},
    },
)  # fmt: skip


@dataclass
class Supply:
    """Inputs of a register bill; a fault changes one of them."""

    table: dict[str, dict[str, str]]
    code: str
    start: date
    end: date
    opened: dict[str, Decimal]
    closed: dict[str, Decimal]
    multiplier: Decimal
    standing_days: int
    rates: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    marked: str = ""
    applied: Decimal | None = None

    def paper(self) -> Paper:
        """Added up line by line."""
        rates = {**self.table[self.code], **self.rates}
        factor = self.applied or self.multiplier
        use = {name: (self.closed[name] - self.opened[name]) * factor for name in ("day", "night")}
        fields = {"day": "Day units", "night": "Night units", **self.labels}
        lines = [
            (
                fields[name],
                str(use[name]),
                "kWh",
                rates[f"{name}_rate"],
                str(cents(use[name] * D(rates[f"{name}_rate"]))),
            )
            for name in ("day", "night")
        ]
        standing = cents(self.standing_days * D(rates["standing_per_day"]))
        lines.append(("Standing charge", str(self.standing_days), "day", rates["standing_per_day"], str(standing)))
        whole = sum(use.values(), D(0))
        levy = cents(whole * D(rates["ccl_per_kwh"]))
        lines.append(("Climate change levy", str(whole), "kWh", rates["ccl_per_kwh"], str(levy)))
        return self.closed_with(lines, rates["vat"])

    def closed_with(self, lines: list[tuple[str, str, str, str, str]], vat: str) -> Paper:
        """The lines with VAT of that share, and the head."""
        net = sum((D(line[4]) for line in lines), D(0))
        tax = cents(net * D(vat))
        lines = [*lines, (f"VAT {D(vat) * 100:g} %", "", "", vat, str(tax))]
        head = [
            ("Supplier", "Any Power"), ("Invoice", "X-1"), ("Account", "ACC"), ("Site", "Works"), ("Meter", "M"),
            ("Period from", str(self.start)), ("Period to (exclusive)", str(self.end)), ("Tariff", self.code),
            ("Meter multiplier", str(self.multiplier)),
        ]  # fmt: skip
        for name in ("day", "night"):
            head.append((f"{name.title()} register open", str(self.opened[name])))
            mark = " (estimated)" if self.marked == name else ""
            head.append((f"{name.title()} register close{mark}", str(self.closed[name])))
        return Paper([*head, ("Currency", "GBP")], lines, net, net + tax)


def register_scene(name: str, seed: int) -> Scene:
    """A register bill; `right` or a fault of FAULTS."""
    rng = random.Random(seed)
    table = {code: {"currency": "GBP", "supplier": "Any Power", **row} for code, row in TABLES[seed % 2].items()}
    old, new = list(table)
    change = date.fromisoformat(table[new]["valid_from"])
    days = sorted(
        {change + timedelta(days=30 * n + rng.randint(-3, 3)) for n in (-5, -4, -3, -2, -1, 1, 2, 3)} | {change}
    )
    states, day, night = [], D(rng.randint(1000, 80000)), D(rng.randint(1000, 30000))
    for on in days:
        states.append(ReadState(on, {"day": day, "night": night}))
        day, night = day + rng.randint(900, 2500), night + rng.randint(250, 800)
    reads = MeterReads("M", {"day": "kwh", "night": "kwh"}, tuple(states))
    multiplier = D(rng.choice([1, 20, 40, 60]) if "multiplier" not in name else rng.choice([20, 40, 60]))
    at = rng.choice([1, 2, 3])
    first, last = states[at], states[at + 1]
    supply = Supply(
        table, old, first.on, last.on, dict(first.states), dict(last.states), multiplier, (last.on - first.on).days
    )
    cause, paper = FAULTS[name](supply, states, at, rng, new) if name != "right" else ("none", supply.paper())
    return Scene(
        f"register-{name}-{seed}", cause, paper, tuple(read_simple_table(table).values()), reads=reads,
        register=(RegisteredMeter("M", "ACC", "Works", multiplier),),
    )  # fmt: skip


Fault = Callable[[Supply, list[ReadState], int, random.Random, str], tuple[str, Paper]]


def _early_start(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    shift = rng.randint(4, 9)
    begun = supply.start - timedelta(days=shift)
    return "wrong_read_date", replace(supply, start=begun, standing_days=supply.standing_days + shift).paper()


def _inclusive(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    return "wrong_read_date", replace(supply, standing_days=supply.standing_days + 1).paper()


def _next_close(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    return "wrong_read_date", replace(supply, closed=dict(states[at + 2].states)).paper()


def _next_tariff(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    return "wrong_tariff_period", replace(supply, code=new).paper()


def _next_rates(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    return "wrong_tariff_period", replace(supply, rates=supply.table[new]).paper()


def _one_rate(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    return "wrong_tariff_period", replace(supply, rates={"day_rate": supply.table[new]["day_rate"]}).paper()


def _swapped(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    own = supply.table[supply.code]
    paper = replace(supply, rates={"day_rate": own["night_rate"], "night_rate": own["day_rate"]}).paper()
    return "wrong_tariff_period", paper


def _multiplier_one(
    supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str
) -> tuple[str, Paper]:
    return "meter_multiplier", replace(supply, multiplier=D(1)).paper()


def _multiplier_silent(
    supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str
) -> tuple[str, Paper]:
    return "meter_multiplier", replace(
        supply, applied=supply.multiplier * rng.choice([2, 10]) / rng.choice([1, 20])
    ).paper()


def _estimated(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    closed = {**supply.closed, "day": supply.closed["day"] + rng.randint(11, 90)}
    return "estimated_read", replace(supply, closed=closed, marked="day").paper()


def _estimated_silent(
    supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str
) -> tuple[str, Paper]:
    closed = {name: state - rng.randint(11, 90) for name, state in supply.closed.items()}
    return "estimated_read", replace(supply, closed=closed).paper()


def _vat_rate(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    return "tax", replace(supply, rates={"vat": "0.175"}).paper()


def _no_vat(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    paper = supply.paper()
    return "tax", replace(paper, lines=paper.lines[:-1], total=paper.net)


def _vat_base(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    paper = supply.paper()
    *lines, tax = paper.lines
    amount = cents((paper.net - D(lines[-1][4])) * D(tax[3]))
    return "tax", replace(paper, lines=[*lines, (*tax[:4], str(amount))], total=paper.net + amount)


def _levy_rate(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    return "tax", replace(supply, rates={"ccl_per_kwh": "0.00559"}).paper()


def _no_night(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    rates = supply.table[supply.code]
    use = (supply.closed["day"] - supply.opened["day"]) * supply.multiplier
    paper = supply.paper()
    levy = cents(use * D(rates["ccl_per_kwh"]))
    lines = [paper.lines[0], paper.lines[2], ("Climate change levy", str(use), "kWh", rates["ccl_per_kwh"], str(levy))]
    return "missing_data", supply.closed_with(lines, rates["vat"])


def _over_change(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    place = next(n for n, state in enumerate(states) if str(state.on) == supply.table[new]["valid_from"])
    first, last = states[place - 1], states[place + 1]
    days = (last.on - first.on).days
    wide = replace(
        supply, start=first.on, end=last.on, opened=dict(first.states), closed=dict(last.states), standing_days=days
    )
    return "wrong_tariff_period", wide.paper()


def _misadded(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    paper = supply.paper()
    return "unexplained", replace(paper, total=paper.total + D("12.34"))


def _odd_line(supply: Supply, states: list[ReadState], at: int, rng: random.Random, new: str) -> tuple[str, Paper]:
    paper = supply.paper()
    (label, quantity, unit, rate, amount), *rest = paper.lines[:-1]
    wrong = D(amount) + D(rng.randint(7001, 9999)) / 100
    vat = supply.table[supply.code]["vat"]
    return "unexplained", supply.closed_with([(label, quantity, unit, rate, str(wrong)), *rest], vat)


FAULTS: dict[str, Fault] = {
    "early_start": _early_start, "inclusive_end": _inclusive, "next_close": _next_close, "next_tariff": _next_tariff,
    "next_rates": _next_rates, "one_rate": _one_rate, "swapped_registers": _swapped, "multiplier_one": _multiplier_one,
    "multiplier_silent": _multiplier_silent, "estimated_marked": _estimated, "estimated_silent": _estimated_silent,
    "vat_rate": _vat_rate, "no_vat": _no_vat, "vat_base": _vat_base, "levy_rate": _levy_rate, "no_night": _no_night,
    "over_change": _over_change, "misadded": _misadded, "odd_line": _odd_line,
}  # fmt: skip


def scenes(seeds: range) -> Iterator[Scene]:
    """Every fault of both kinds, for each seed."""
    for seed in seeds:
        yield from (register_scene(name, seed) for name in FAULTS)
        yield from (interval_scene(name, seed) for name in INTERVAL_FAULTS if name != "right")


def right_scenes(seeds: range) -> Iterator[Scene]:
    """Right bills of both kinds."""
    for seed in seeds:
        yield register_scene("right", seed)
        yield interval_scene("right", seed)
