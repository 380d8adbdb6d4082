"""Which fault strikes which meter of the tower, and when: drawn from a seed, told as truth.

Every kind strikes in any span of two whole months. The first month's plant faults are repaired by a re-sent file; what
strikes the last month stays. Files are made of the struck streams in tower_files.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import numpy as np

from controls.simulator.physics import faults
from controls.simulator.physics.faults import FaultKind, InjectedFault
from controls.simulator.physics.noise import Series, generator
from controls.simulator.physics.simulated import UNITS_PER_KWH, SimulatedSite
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import CANONICAL_MINUTES, local_midnight_utc

Stream = tuple[str, str]
SLOTS_PER_HOUR, SLOTS_PER_DAY = 4, 96
# Seven digits of kWh on the display of the chilled-water meter.
CHILLED_WATER: Stream = ("chilled_water", "import")
MODULUS = 10_000_000 * UNITS_PER_KWH
EXCHANGE_INITIAL_KWH = 12.5
# A fault of six days that begins on the last of these days still ends within its month, clear of any change of clocks.
_FIRST_DAY, _LAST_DAY = 4, 22


@dataclass(frozen=True)
class Month:
    """A local calendar month of the span: quarter hours [first, last) of the grid."""

    label: str
    first: int
    last: int
    start_utc: datetime
    end_utc: datetime

    @property
    def slots(self) -> slice:
        """The month's part of a stream."""
        return slice(self.first, self.last)


@dataclass(frozen=True)
class Register:
    """Course of the counter of CHILLED_WATER: states in ten-thousandths of a kWh, intervals of the grid.

    restarts: {interval: state before it}; silent: no state is sent at the end of these intervals.
    """

    initial: int
    restarts: dict[int, int]
    silent: frozenset[int]


@dataclass
class Struck:
    """The tower as its meters report it. clean, reported: kWh or m3 per quarter hour, NaN: none.

    duplicates, conflicts: rows of the plant's file of the last month that stand twice, and twice with different values
    of the server room; strangers: rows of the first month's PV file under a meter that nobody knows.
    """

    start_utc: datetime
    months: list[Month]
    clean: dict[Stream, Series]
    reported: dict[Stream, Series]
    register: Register = Register(initial=0, restarts={}, silent=frozenset())
    duplicates: range = range(0)
    conflicts: range = range(0)
    strangers: range = range(0)
    truth: list[InjectedFault] = field(default_factory=list)

    def time(self, slot: int) -> datetime:
        """Start of an interval of the grid."""
        return self.start_utc + timedelta(minutes=CANONICAL_MINUTES) * slot

    def record_fault(
        self,
        kind: FaultKind,
        stream: Stream | None,
        first: int,
        last: int,
        *,
        file: str,
        repaired_by: str = "",
        detail: dict[str, float] | None = None,
    ) -> None:
        """Write down one fault; intervals [first, last)."""
        meter, register_id = stream or ("", "")
        self.truth.append(
            InjectedFault(
                kind=kind,
                meter=meter,
                register_id=register_id,
                start_utc=self.time(first),
                end_utc=self.time(last),
                file=file,
                repaired_by=repaired_by,
                detail=detail or {},
            )
        )


def months_of_span(start: date, end: date, time_zone: str) -> list[Month]:
    """Whole local months of [start, end). Raises BadInput for part months, and for fewer than two."""
    firsts = [start]
    while firsts[-1] < end:
        # From the first of a month 31 days always lead into the next one.
        firsts.append((firsts[-1] + timedelta(days=31)).replace(day=1))
    if start.day != 1 or firsts[-1] != end or len(firsts) < 3:
        raise BadInput(
            f"the tower's files are made for two whole months or more, got {start} to {end}", reason="bad_period"
        )
    marks = [local_midnight_utc(day, time_zone) for day in firsts]
    slots = [(mark - marks[0]) // timedelta(minutes=CANONICAL_MINUTES) for mark in marks]
    return [Month(f"{day:%Y-%m}", slots[n], slots[n + 1], marks[n], marks[n + 1]) for n, day in enumerate(firsts[:-1])]


def strike(made: SimulatedSite, *, start: date, end: date, seed: int) -> Struck:
    """Faults of every kind in the readings of [start, end), local months. Raises BadInput as months_of_span."""
    months = months_of_span(start, end, made.time_zone)
    clean: dict[Stream, Series] = {}
    for frame, unit in ((made.meters, "kwh"), (made.volumes, "m3")):
        if frame is not None:
            for (meter, register), part in frame.partition_by("meter", "register", as_dict=True).items():
                clean[str(meter), str(register)] = part.sort("timestamp")[unit].to_numpy()
    struck = Struck(months[0].start_utc, months, clean, dict(clean))
    rng = generator(seed, start.isoformat(), end.isoformat(), "tower faults")
    early, middle, last = months[0], months[len(months) // 2], months[-1]
    _strike_tenants(struck, rng, early=early, middle=middle, last=last)
    _strike_plant(struck, rng, early=early, last=last)
    struck.register = _run_register(struck, rng, early=early, middle=middle, last=last)
    _strike_files(struck, rng, early=early, last=last)
    struck.truth.sort(key=lambda fault: (fault.start_utc, fault.kind, fault.meter))
    return struck


def _strike_tenants(struck: Struck, rng: np.random.Generator, *, early: Month, middle: Month, last: Month) -> None:
    """Single meters of the tenants' file."""

    def hit(kind: FaultKind, meter: str, month: Month, hours: tuple[int, int], change: Callable[..., Series]) -> None:
        stream, first = (meter, "import"), _slot(rng, month)
        until = first + SLOTS_PER_HOUR * int(rng.integers(*hours, endpoint=True))
        struck.reported[stream] = change(struck.reported[stream], first, until)
        struck.record_fault(kind, stream, first, until, file=file_name(month, "tenants"))

    at, factor = _slot(rng, early), float(np.round(rng.uniform(25.0, 60.0), 1))
    stream = ("floors_05_08", "import")
    struck.reported[stream] = faults.spike(struck.reported[stream], at, factor=factor)
    struck.record_fault(
        FaultKind.SPIKE, stream, at, at + 1, file=file_name(early, "tenants"), detail={"factor": factor}
    )
    hit(FaultKind.STUCK, "floors_09_12", middle, (20, 40), faults.stuck)
    hit(FaultKind.MISSING, "floors_13_15", middle, (8, 20), faults.missing)
    hit(FaultKind.DEAD, "floors_16_18", last, (12, 30), faults.dead)
    hit(FaultKind.NEGATIVE, "lobby_retail", last, (1, 2), faults.negative)


def _strike_plant(struck: Struck, rng: np.random.Generator, *, early: Month, last: Month) -> None:
    """Units and clocks of the plant's meters: once repaired, once not."""
    for month, scaled, shifted in ((early, "ahu_low", "lifts"), (last, "ahu_high", "landlord")):
        file, repaired_by = file_name(month, "plant"), file_name(month, "plant_v2") if month is early else ""
        stream, first = (scaled, "import"), _slot(rng, month)
        until = min(first + SLOTS_PER_DAY * int(rng.integers(2, 5)), month.last)
        struck.reported[stream] = faults.unit_scale(struck.reported[stream], first, until, factor=0.001)
        struck.record_fault(
            FaultKind.UNIT_SCALE, stream, first, until, file=file, repaired_by=repaired_by, detail={"factor": 0.001}
        )
        stream, first = (shifted, "import"), _slot(rng, month)
        until = min(first + SLOTS_PER_DAY * int(rng.integers(4, 7)), month.last)
        shift = SLOTS_PER_HOUR
        struck.reported[stream] = faults.clock_shift(struck.reported[stream], first, until, slots=shift)
        ahead = {"minutes": float(shift * CANONICAL_MINUTES)}
        struck.record_fault(
            FaultKind.CLOCK_SHIFT, stream, first, until, file=file, repaired_by=repaired_by, detail=ahead
        )


def _run_register(struck: Struck, rng: np.random.Generator, *, early: Month, middle: Month, last: Month) -> Register:
    """The counter of chilled water passes its last digit, is set to zero, and is exchanged with an hour of silence."""
    amounts = np.rint(struck.clean[CHILLED_WATER] * UNITS_PER_KWH).astype(np.int64)
    counted = np.concatenate([[0], np.cumsum(amounts)])
    over = _slot(rng, early)
    # Half of that interval's energy before the last digit turns, half after it.
    initial = int(MODULUS - counted[over] - amounts[over] // 2)
    reset = _slot(rng, middle, days=(_FIRST_DAY, 10))
    # Clear of the reset even in a span of two months, where middle and last are one.
    exchange = _slot(rng, last, days=(14, _LAST_DAY))
    exchanged_at = int(EXCHANGE_INITIAL_KWH * UNITS_PER_KWH)
    states = faults.register_states(amounts, initial=initial, modulus=MODULUS, restarts={reset: 0})
    for kind, at, month, detail in (
        (FaultKind.ROLLOVER, over, early, {"modulus_kwh": MODULUS / UNITS_PER_KWH}),
        (FaultKind.RESET, reset, middle, {"final_read_kwh": 0.0, "initial_read_kwh": 0.0}),
        (FaultKind.EXCHANGE, exchange, last, {"final_read_kwh": 0.0, "initial_read_kwh": EXCHANGE_INITIAL_KWH}),
    ):
        if "final_read_kwh" in detail:
            detail["final_read_kwh"] = int(states[at]) / UNITS_PER_KWH
        width = SLOTS_PER_HOUR if kind is FaultKind.EXCHANGE else 1
        struck.record_fault(kind, CHILLED_WATER, at, at + width, file=file_name(month, "chilled_water"), detail=detail)
    # The last state of the hour is sent again, by the new meter.
    silent = frozenset(range(exchange, exchange + SLOTS_PER_HOUR - 1))
    return Register(initial=initial, restarts={reset: 0, exchange: exchanged_at}, silent=silent)


def _strike_files(struck: Struck, rng: np.random.Generator, *, early: Month, last: Month) -> None:
    """Whole files and rows of files."""
    plant = file_name(last, "plant")
    first = _slot(rng, last)
    struck.duplicates = range(first, first + 8)
    struck.record_fault(FaultKind.DUPLICATE_ROWS, None, first, first + 8, file=plant)
    # Two days on, so that conflicting rows never stand among the plain duplicates.
    first += 2 * SLOTS_PER_DAY
    struck.conflicts = range(first, first + 3)
    struck.record_fault(FaultKind.CONFLICTING_DUPLICATES, ("server_room", "import"), first, first + 3, file=plant)
    first = _slot(rng, early)
    struck.strangers = range(first, first + 12)
    struck.record_fault(FaultKind.UNKNOWN_METER, ("pv_2", "value"), first, first + 12, file=file_name(early, "pv"))
    for kind, month, sender, resent in (
        (FaultKind.END_LABELLED, early, "plant", ""),
        (FaultKind.DECIMAL_COMMA, early, "tenants", ""),
        (FaultKind.TRUNCATED, last, "utility", "utility_resent"),
        (FaultKind.LATE, last, "steam", ""),
    ):
        repaired_by = file_name(last, resent) if resent else ""
        struck.record_fault(kind, None, month.first, month.last, file=file_name(month, sender), repaired_by=repaired_by)
    struck.record_fault(FaultKind.CORRECTED, None, early.first, early.last, file=file_name(early, "plant_v2"))


SUFFIXES = {"utility": ".xml", "chilled_water": ".xml", "water": ".xlsx"}


def file_name(month: Month, sender: str) -> str:
    """`tower_<month>_<sender>` and the suffix of its format; a re-sent file carries a mark behind the sender."""
    suffix = next((suffix for name, suffix in SUFFIXES.items() if sender.startswith(name)), ".csv")
    return f"tower_{month.label}_{sender}{suffix}"


def _slot(rng: np.random.Generator, month: Month, *, days: tuple[int, int] = (_FIRST_DAY, _LAST_DAY)) -> int:
    """A quarter hour of the month, by day."""
    # In office hours: a fault of a meter that shows nothing at night could not be found by anybody.
    day, hour = int(rng.integers(*days, endpoint=True)), int(rng.integers(9, 16, endpoint=True))
    return month.first + (day - 1) * SLOTS_PER_DAY + hour * SLOTS_PER_HOUR
