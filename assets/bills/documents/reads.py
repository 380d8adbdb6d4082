"""Register reads of a meter by date, and the site register with its multipliers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Literal, cast

from assets.bills.engine.bill_load import Reads, RegisterUse
from assets.readings.tables.table_rows import Row, read_table
from data_quality.contracts.errors import BadInput

Unit = Literal["kwh", "m3", "kw", "kvarh"]
_UNITS = ("kwh", "m3", "kw", "kvarh")
_ESTIMATED = frozenset({"estimated", "estimate", "e"})


@dataclass(frozen=True)
class ReadState:
    """All registers of a meter as read at the start of a local date. states: register -> state, no multiplier."""

    on: date
    states: Mapping[str, Decimal]
    is_estimated: bool = False
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class MeterReads:
    """States in order of time. units: register -> what it counts; "" is the only register of its unit."""

    meter: str
    units: Mapping[str, Unit]
    states: tuple[ReadState, ...]

    def at(self, day: date) -> ReadState | None:
        """The read on that date, or None."""
        return next((state for state in self.states if state.on == day), None)

    def actual(self) -> "MeterReads":
        """Without the estimated reads."""
        return MeterReads(self.meter, self.units, tuple(state for state in self.states if not state.is_estimated))

    def between(self, start: date, end: date, multiplier: Decimal) -> Reads | None:
        """Uses of every stretch between reads on [start, end); None where no read stands on an end."""
        inside = [state for state in self.states if start <= state.on <= end]
        if not inside or inside[0].on != start or inside[-1].on != end or len(inside) < 2:
            return None
        return Reads(uses=uses_of(inside, self.units, multiplier))


def uses_of(states: Sequence[ReadState], units: Mapping[str, Unit], multiplier: Decimal) -> tuple[RegisterUse, ...]:
    """Uses between following reads, multiplier applied; of a kW register the state at the later read."""
    return tuple(
        RegisterUse(
            start=opened.on,
            end=closed.on,
            # A register of highest demand is set back at each read: its state is the demand.
            quantity=(closed.states[name] if unit == "kw" else advance(opened.states[name], closed.states[name]))
            * multiplier,
            unit=unit,
            period_id=period_of(name),
            is_estimated=opened.is_estimated or closed.is_estimated,
        )
        for opened, closed in pairwise(states)
        for name, unit in units.items()
    )


def advance(opened: Decimal, closed: Decimal) -> Decimal:
    """Advance of a register; one that was in the last tenth of its digits and is in the first has rolled over."""
    # Its width is not known: the digits of the earlier state are the fewest that it can have.
    top = Decimal(10) ** max(opened.adjusted() + 1, 1)
    is_over = closed < opened and opened >= top * 9 / 10 and closed < top / 10
    return closed - opened + (top if is_over else 0)


def period_of(name: str) -> str:
    """The tariff period of a register's name: `day`, or `day kw`."""
    return name.split(" ", maxsplit=1)[0] if name.split(" ", maxsplit=1)[0] not in _UNITS else ""


def read_meter_reads(path: Path, *, meter: str) -> MeterReads:
    """The reads of the meter from `[meter,]read_date,<period>_register…[,type]`. Raises BadInput naming the line."""
    header, rows = _rows(path, "read_date")
    if "meter" in header:
        mine = tuple(row for row in rows if row.text("meter") == meter)
        if not mine:
            known = ", ".join(sorted({row.text("meter") for row in rows}))
            raise BadInput(
                f"no meter {meter or 'without a name'!r}; the file has {known}", file=str(path), reason="unknown_meter"
            )
        rows = mine
    columns = {name: _register(name, path) for name in header if name not in ("meter", "read_date", "type")}
    if not columns:
        raise BadInput("no column of a register, such as day_register", file=str(path), line=1, reason="missing_column")
    found: dict[date, ReadState] = {}
    for row in rows:
        day = row.day("read_date")
        states = {register: _number(row, name) for name, (register, _) in columns.items()}
        is_estimated = row.text("type").lower() in _ESTIMATED
        before = found.get(day)
        # One actual read and one estimate of a day are usual; two of a kind contradict each other.
        if before is not None and before.is_estimated == is_estimated:
            raise row.bad(f"two reads on {day}", reason="duplicate_read")
        # An actual read of the same day takes the estimate's place.
        if before is None or before.is_estimated:
            found[day] = ReadState(day, states, is_estimated, row.line)
    ordered = tuple(found[day] for day in sorted(found))
    units = dict(columns.values())
    # Estimates may be too high: the next actual read then lies below, and is right.
    _refuse_backwards([state for state in ordered if not state.is_estimated], units, path)
    return MeterReads(meter, units, ordered)


def read_registers(path: Path, *, meter: str | None = None, multiplier: Decimal = Decimal(1)) -> list[Reads]:
    """One Reads per pair of following reads of the meter, in order of time; multiplier applied. Raises BadInput for
    what read_meter_reads refuses, for several meters with none named, and for a single read.
    """
    if meter is None:
        names = sorted({row.text("meter") for row in _rows(path, "read_date")[1]})
        if len(names) > 1:
            raise BadInput(
                f"the file has meters {', '.join(names)}; expected one",
                file=str(path), reason="several_meters", mend="name one with --meter",
            )  # fmt: skip
        meter = names[0]
    known = read_meter_reads(path, meter=meter)
    if len(known.states) < 2:
        raise BadInput("one read only; use needs two", file=str(path), reason="one_read")
    # An estimate that the next read falls below is no use that could be billed by itself.
    _refuse_backwards(known.states, known.units, path)
    return [Reads(uses=uses_of(pair, known.units, multiplier)) for pair in pairwise(known.states)]


def _refuse_backwards(states: Sequence[ReadState], units: Mapping[str, Unit], path: Path) -> None:
    for opened, closed in pairwise(states):
        for register, unit in units.items():
            if unit != "kw" and advance(opened.states[register], closed.states[register]) < 0:
                raise BadInput(
                    f"register {register or unit} counts backwards from {opened.states[register]} on {opened.on} to "
                    f"{closed.states[register]} on {closed.on}",
                    file=str(path), line=closed.line, reason="register_backwards",
                )  # fmt: skip


@dataclass(frozen=True)
class RegisteredMeter:
    """One row of the site register. tariff_id: empty where the register does not name one."""

    meter: str
    account: str
    site: str
    multiplier: Decimal
    tariff_id: str = ""


def read_site_register(path: Path) -> tuple[RegisteredMeter, ...]:
    """Rows of `meter,account,site,multiplier[,tariff]`. Raises BadInput naming the line."""
    found: list[RegisteredMeter] = []
    for row in _rows(path, "meter", "multiplier")[1]:
        meter, multiplier = row.text("meter"), _number(row, "multiplier")
        if not multiplier:
            raise row.bad("multiplier must be above zero, got 0", reason="bad_multiplier")
        if any(meter == other.meter for other in found):
            raise row.bad(f"meter {meter!r} appears twice", reason="duplicate_meter")
        found.append(RegisteredMeter(meter, row.text("account"), row.text("site"), multiplier, row.text("tariff")))
    return tuple(found)


def _rows(path: Path, *needed: str) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    table = read_table(path, needs=needed)
    if not table.rows:
        raise BadInput("there is a header but no row", file=str(path), line=1, reason="no_rows")
    return table.columns, table.rows


def _number(row: Row, column: str) -> Decimal:
    number = row.number(column)
    if number is None:
        raise row.bad(f"{column}: expected a number, got nothing", reason="no_value")
    return number


def _register(name: str, path: Path) -> tuple[str, Unit]:
    """(register, unit) of a column. A kW register of a period is next to its kWh register: it is `day kw`."""
    period, found, rest = name.partition("register")
    unit = rest.strip("_ ") or "kwh"
    if not found or unit not in _UNITS:
        raise BadInput(
            f"column {name!r}: expected <period>_register, <period>_register_<unit> or register_<unit> with a unit of "
            f"{', '.join(_UNITS)}",
            file=str(path), line=1, reason="unknown_column",
        )  # fmt: skip
    register = period.strip("_ ")
    return (register if unit in ("kwh", "m3") else f"{register} {unit}".strip()), cast(Unit, unit)
