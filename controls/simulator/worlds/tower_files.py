"""The tower's meter files as its senders make them, with the hour at which each arrives, and the faults among them."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from assets.stores.whole_file import whole_file
from controls.simulator.physics.faults import FaultKind, InjectedFault, register_states
from controls.simulator.physics.noise import Counts, Series
from controls.simulator.physics.simulated import UNITS_PER_KWH
from controls.simulator.physics.vendor_formats import csv_bytes, green_button, workbook
from controls.simulator.worlds.generate import SEED, generate_site
from controls.simulator.worlds.lapses import Lapse, with_lapses
from controls.simulator.worlds.tower_faults import (
    CHILLED_WATER,
    MODULUS,
    SLOTS_PER_HOUR,
    Month,
    Stream,
    Struck,
    file_name,
    strike,
)
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, local_midnight_utc

# As the site's column map names them.
TENANT_COLUMNS = {
    "EG": "lobby_retail",
    "OG 02-04": "floors_02_04",
    "OG 05-08": "floors_05_08",
    "OG 09-12": "floors_09_12",
    "OG 13-15": "floors_13_15",
    "OG 16-18": "floors_16_18",
    "OG 19-20": "floors_19_20",
}
PLANT_COLUMNS = {
    "Landlord": "landlord",
    "Lifts": "lifts",
    "Server Room": "server_room",
    "HVAC Total": "hvac",
    "Chiller 1": "chiller",
    "AHU Low": "ahu_low",
    "AHU High": "ahu_high",
}
# Hours after the month's end at which a sender's file arrives.
LAG_H = {
    "plant": 2,
    "pv": 3,
    "drivers": 3,
    "tenants": 7,
    "gas": 9,
    "chilled_water": 9,
    "steam": 10,
    "water": 11,
    "utility": 30,
}
LATE, RESENT_AFTER, CORRECTED_AFTER = timedelta(weeks=3), timedelta(days=4), timedelta(days=6)
# Until then everything has arrived that arrives in time.
IN_TIME = timedelta(days=2)
# ReadingType leaves: tenths of a watt-hour per interval, towards (1) or from (19) the site; 1: a counter's states.
ELECTRICITY = {"commodity": 1, "intervalLength": 900, "kind": 12, "powerOfTenMultiplier": -1, "uom": 72}
IMPORT = ELECTRICITY | {"accumulationBehaviour": 4, "flowDirection": 1}
EXPORT = ELECTRICITY | {"accumulationBehaviour": 4, "flowDirection": 19}
COUNTER = ELECTRICITY | {"accumulationBehaviour": 1, "commodity": 13, "flowDirection": 1}
Verdict = Literal["accept", "accept_with_warning", "quarantine", "reject"]
_REASONS = {
    FaultKind.NEGATIVE: "negative_consumption",
    FaultKind.CONFLICTING_DUPLICATES: "duplicate_conflict",
    FaultKind.UNKNOWN_METER: "unknown_meter",
    FaultKind.RESET: "register_decrease",
    FaultKind.EXCHANGE: "register_decrease",
    FaultKind.TRUNCATED: "not_well_formed",
}
# A register that passes its last digit is understood, and said.
_WARNED = (FaultKind.MISSING, FaultKind.CLOCK_SHIFT, FaultKind.DUPLICATE_ROWS, FaultKind.ROLLOVER)


@dataclass(frozen=True)
class MeterFile:
    """One file. verdict and reasons: what ingestion is to say of it when it comes first."""

    name: str
    content: bytes
    arrives_at_utc: datetime
    verdict: Verdict
    reasons: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Delivery:
    """All files in the order in which they arrive, and the truth about what is wrong with them."""

    files: tuple[MeterFile, ...]
    truth: tuple[InjectedFault, ...]
    in_time_until_utc: datetime

    def in_time(self) -> tuple[MeterFile, ...]:
        """Files that arrive when they should."""
        return tuple(file for file in self.files if file.arrives_at_utc <= self.in_time_until_utc)

    def afterwards(self) -> tuple[MeterFile, ...]:
        """Late, corrected and re-sent files."""
        return tuple(file for file in self.files if file.arrives_at_utc > self.in_time_until_utc)


def deliver_tower(site: Site, *, start: date, end: date, seed: int = SEED, lapses: Sequence[Lapse] = ()) -> Delivery:
    """Files of the whole local months [start, end), two or more, with faults of every kind. Raises BadInput.

    lapses: what was left running.
    """
    made = with_lapses(generate_site(site, start=start, end=end, seed=seed), site, lapses)
    struck = strike(made, start=start, end=end, seed=seed)
    senders = _Senders(struck, made.drivers, site.time_zone)
    last, first = struck.months[-1], struck.months[0]
    last_day = local_midnight_utc(end, site.time_zone)
    files = []
    for month in struck.months:
        for sender, content in senders.of_month(month):
            is_late = sender == "steam" and month is last
            is_cut = sender == "utility" and month is last
            arrives_at_utc = month.end_utc + (LATE if is_late else timedelta(hours=LAG_H[sender]))
            # In the middle of its readings: past the header, long before the closing tag.
            sent = content[: len(content) * 3 // 5] if is_cut else content
            files.append(_file(struck, month, sender, sent, arrives_at_utc))
            if is_cut:
                files.append(_file(struck, month, "utility_resent", content, last_day + RESENT_AFTER))
    corrected = senders.plant(first, struck.clean)
    files.append(_file(struck, first, "plant_v2", corrected, last_day + CORRECTED_AFTER))
    files.sort(key=lambda file: (file.arrives_at_utc, file.name))
    return Delivery(files=tuple(files), truth=tuple(struck.truth), in_time_until_utc=last_day + IN_TIME)


def write_delivery(folder: Path, files: Iterable[MeterFile]) -> list[Path]:
    """Write files whole or not at all, dated at their arrival so that they are read in this order; their paths."""
    paths = []
    for file in files:
        path, moment_s = folder / file.name, file.arrives_at_utc.timestamp()
        with whole_file(path) as unfinished:
            unfinished.write_bytes(file.content)
            # Before the rename: a watcher must never see the file with the time of its making.
            os.utime(unfinished, (moment_s, moment_s))
        paths.append(path)
    return paths


def _file(struck: Struck, month: Month, sender: str, content: bytes, arrives_at_utc: datetime) -> MeterFile:
    name = file_name(month, sender)
    kinds = {fault.kind for fault in struck.truth if fault.file == name}
    reasons = frozenset(_REASONS[kind] for kind in kinds if kind in _REASONS)
    verdict: Verdict = "accept"
    if FaultKind.TRUNCATED in kinds:
        verdict = "reject"
    elif reasons:
        verdict = "quarantine"
    elif sender.startswith("plant") or kinds & set(_WARNED):
        verdict = "accept_with_warning"
    return MeterFile(name, content, arrives_at_utc, verdict, reasons)


class _Senders:
    """Everybody who sends files, each in a format of its own."""

    def __init__(self, struck: Struck, drivers: pl.DataFrame, time_zone: str) -> None:
        self._struck, self._drivers, self._zone = struck, drivers, time_zone
        self._times = drivers["timestamp"]
        amounts = _whole(struck.clean[CHILLED_WATER])
        register = struck.register
        self._states = register_states(amounts, initial=register.initial, modulus=MODULUS, restarts=register.restarts)

    def of_month(self, month: Month) -> list[tuple[str, bytes]]:
        """Sender and content of every file of one month."""
        makers: dict[str, Callable[[Month], bytes]] = {
            "utility": self.utility,
            "tenants": self.tenants,
            "plant": lambda month: self.plant(month, self._struck.reported),
            "pv": self.pv,
            "gas": self.gas,
            "steam": self.steam,
            "chilled_water": self.chilled_water,
            "water": self.water,
            "drivers": lambda month: csv_bytes(self._drivers[month.slots]),
        }
        return [(sender, make(month)) for sender, make in makers.items()]

    def utility(self, month: Month) -> bytes:
        """Green Button: import and export."""
        start_s, parts = self._times[month.slots].dt.epoch("s"), []
        for leaves, register in ((IMPORT, "import"), (EXPORT, "export")):
            amounts = _whole(self._struck.clean["main", register][month.slots])
            parts.append((leaves, pl.DataFrame({"start_s": start_s, "value": amounts})))
        return green_button("NY-0042-7781", parts)

    def chilled_water(self, month: Month) -> bytes:
        """Green Button: the counter at the end of each interval, that before the first one included."""
        ends = np.arange(month.first, month.last + 1)
        sent = ends[[end - 1 not in self._struck.register.silent for end in ends.tolist()]]
        # ESPI places a counter's state in the interval at whose end it was read, hence one interval earlier.
        start_s = int(self._struck.start_utc.timestamp()) + (sent - 1) * CANONICAL_MINUTES * 60
        rows = pl.DataFrame({"start_s": start_s, "value": self._states[sent]})
        return green_button("CHW-01", [(COUNTER, rows)])

    def tenants(self, month: Month) -> bytes:
        """Semicolons and decimal commas; local times at the start."""
        times = self._local(month, shift=timedelta()).dt.strftime("%d.%m.%Y %H:%M")
        frame = pl.DataFrame({"Zeitpunkt": times}).with_columns(
            self._column(column, self._struck.reported[meter, "import"], month)
            for column, meter in TENANT_COLUMNS.items()
        )
        return csv_bytes(frame, separator=";", decimal_comma=True)

    def plant(self, month: Month, streams: dict[Stream, Series]) -> bytes:
        """Month first; local times at the end. As reported, rows of the last month stand twice."""
        times = self._local(month, shift=timedelta(minutes=CANONICAL_MINUTES)).dt.strftime("%m/%d/%Y %H:%M")
        frame = pl.DataFrame({"Interval End": times}).with_columns(
            self._column(column, streams[meter, "import"], month) for column, meter in PLANT_COLUMNS.items()
        )
        # The corrected file has the clean streams, and so no doubled rows.
        if streams is self._struck.reported:
            frame = self._doubled(frame, month)
        return csv_bytes(frame)

    def pv(self, month: Month) -> bytes:
        """The plain shape; some rows come from a meter that nobody knows."""
        times, values = self._times[month.slots], self._struck.reported["pv", "value"]
        frame = _plain(times, "pv", values[month.slots])
        rows = [slot for slot in self._struck.strangers if month.first <= slot < month.last]
        return csv_bytes(pl.concat([frame, _plain(self._times[rows], "pv_2", values[rows])]))

    def gas(self, month: Month) -> bytes:
        """Cubic metres by the hour."""
        volume = _by_hour(self._struck.clean["gas_boiler", "volume"][month.slots]) / UNITS_PER_KWH
        return csv_bytes(pl.DataFrame({"time_utc": self._hours(month), "volume_m3": volume}))

    def steam(self, month: Month) -> bytes:
        """Megajoules by the hour, times with their offset."""
        # 36 hundred-thousandths of a MJ in a ten-thousandth of a kWh: exact in five decimals.
        steam_mj = _by_hour(self._struck.clean["steam", "import"][month.slots]) * 36 / 100_000
        hours = self._hours(month).dt.convert_time_zone(self._zone).dt.strftime("%Y-%m-%dT%H:%M:%S%:z")
        return csv_bytes(pl.DataFrame({"hour": hours, "steam_mj": steam_mj}))

    def water(self, month: Month) -> bytes:
        """A workbook, by the hour."""
        volume = _by_hour(self._struck.clean["water", "import"][month.slots]) / UNITS_PER_KWH
        hours = self._hours(month).dt.strftime("%Y-%m-%d %H:%M")
        return workbook("Readings", pl.DataFrame({"Hour": hours, "Volume m3": volume}))

    def _doubled(self, frame: pl.DataFrame, month: Month) -> pl.DataFrame:
        def part(slots: range) -> pl.DataFrame:
            return frame[[slot - month.first for slot in slots if month.first <= slot < month.last]]

        other = part(self._struck.conflicts).with_columns(pl.col("Server Room") + 1.0)
        return pl.concat([frame, part(self._struck.duplicates), other])

    def _column(self, name: str, values: Series, month: Month) -> pl.Series:
        return pl.Series(name, values[month.slots]).fill_nan(None)

    def _local(self, month: Month, *, shift: timedelta) -> pl.Series:
        return (self._times[month.slots] + shift).dt.convert_time_zone(self._zone)

    def _hours(self, month: Month) -> pl.Series:
        return self._times[month.slots].gather_every(SLOTS_PER_HOUR)


def _plain(times: pl.Series, meter: str, values: Series) -> pl.DataFrame:
    frame = pl.DataFrame({"timestamp": times, "kwh": values})
    return frame.select(meter=pl.lit(meter), timestamp="timestamp", kwh="kwh", is_synthetic=True)


def _whole(values: Series) -> Counts:
    return np.rint(values * UNITS_PER_KWH).astype(np.int64)


def _by_hour(values: Series) -> Counts:
    """Whole units of four quarter hours each."""
    found: Counts = _whole(values).reshape(-1, SLOTS_PER_HOUR).sum(axis=1)
    return found
