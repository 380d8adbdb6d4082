"""Landing files of a simulated site: plain CSV, one file for each local month and kind, written whole or not at all."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import polars as pl

from assets.stores.whole_file import whole_file
from controls.simulator.physics.simulated import SimulatedSite
from controls.simulator.worlds.file_faults import with_gaps, write_portal
from controls.simulator.worlds.generate import generate_site
from controls.simulator.worlds.lapses import Lapse, with_lapses
from data_quality.contracts.site_file.site import Site


def write_site(
    folder: Path,
    site: Site,
    *,
    start: date,
    end: date,
    until_utc: datetime | None = None,
    lapses: Sequence[Lapse] = (),
    faulty: Sequence[date] = (),
) -> list[Path]:
    """Simulate the local dates [start, end) and write the files; their paths in order of time. Raises BadInput.

    With `until_utc` only intervals that have ended by then are written, prices apart. lapses: what was left running.
    faulty: first days of the months that have the faults of file_faults.py.
    """
    made = with_lapses(generate_site(site, start=start, end=end), site, lapses)
    made = made if until_utc is None else made.until(until_utc)
    paths = write_files(folder, with_gaps(made, faulty))
    return [*paths, *(path for month in faulty if (path := write_portal(folder, made, month)) is not None)]


def write_files(folder: Path, made: SimulatedSite) -> list[Path]:
    """Write `<site>_<YYYY-MM>_<meters|volumes|drivers|prices>.csv` into the folder, one partition of the lake each.

    A month begins with its second interval: rows of one time alone do not say how long an interval is.
    """
    kinds = {"meters": made.meters, "volumes": made.volumes, "drivers": made.drivers, "prices": made.prices}
    paths = []
    for kind, frame in kinds.items():
        if frame is None:
            continue
        month = pl.col("timestamp").dt.convert_time_zone(made.time_zone).dt.strftime("%Y-%m")
        parts = frame.with_columns(_month=month).partition_by("_month", as_dict=True, include_key=False)
        for (name,), part in parts.items():
            if part["timestamp"].n_unique() == 1:
                continue
            path = folder / f"{made.site_id}_{name}_{kind}.csv"
            with whole_file(path) as unfinished:
                part.write_csv(unfinished, datetime_format="%Y-%m-%dT%H:%M:%SZ")
            paths.append(path)
    return sorted(paths)
