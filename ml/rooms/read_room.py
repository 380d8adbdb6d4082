"""Files of rooms become their data: temperatures, outdoors, heater and sun on one grid of equal steps."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from data_quality.contracts.errors import BadInput
from ml.baselines.usage_tables.read_usage import Source, read_drivers
from ml.rooms.identify_room import Floats, RoomData

NEEDED = ("indoor_degc", "outdoor_degc", "heating_kw")
SUN = "ghi_w_per_m2"
# What the weather and a heater did in a longer hole nobody can say.
HOLE_H = 2.0


def read_room(path: Path, *, zone: str) -> RoomData:
    """`timestamp,indoor_degc,outdoor_degc,heating_kw[,ghi_w_per_m2]`, starts of equal steps of at most an hour.

    zone: of times without offset (IANA). A temperature may be missing; the others only for so long as they can be drawn
    through. Raises BadInput naming file, and line or time.
    """
    return _data(*_frame(path, zone), path)


def read_rooms(paths: Sequence[Path], *, zone: str) -> dict[str, RoomData]:
    """Rooms by the names of their files, each as `read_room` has it, over the time that all of them know.

    Raises BadInput, also for other steps, two files of one name, or no time in common.
    """
    frames = {path.stem: (*_frame(path, zone), path) for path in paths}
    if len(frames) < len(paths):
        raise BadInput("two rooms have one name: expected files of different names", reason="double_name")
    if len({step for _, step, _ in frames.values()}) > 1:
        raise BadInput("the rooms have other steps: expected files of one step", reason="mixed_steps")
    starts = [whole["start_utc"] for whole, _, _ in frames.values()]
    first, last = max(each[0] for each in starts), min(each[-1] for each in starts)
    step = next(iter(frames.values()))[1]
    if first > last or any((each[0] - first) % step for each in starts):
        raise BadInput("the rooms have no steps in common: expected files of one time", reason="no_overlap")
    inside = pl.col("start_utc").is_between(first, last)
    return {name: _data(whole.filter(inside), step, path) for name, (whole, step, path) in frames.items()}


def _frame(path: Path, zone: str) -> tuple[pl.DataFrame, timedelta]:
    """The columns of a room by equal steps, holes as nulls, and the step."""
    frame = read_drivers(Source(path), zone=zone, named=[*NEEDED, SUN])
    frame = frame.rename({name: name.strip().lower() for name in frame.columns})
    if missing := [name for name in NEEDED if name not in frame.columns]:
        raise BadInput(f"there is no column {', '.join(missing)}", file=str(path), line=1, reason="missing_column")
    gaps = frame["start_utc"].diff().drop_nulls()
    step = gaps.mode().min() if gaps.len() else None
    if not isinstance(step, timedelta) or step > timedelta(hours=1):
        raise BadInput("expected rows at most an hour apart", file=str(path), reason="too_coarse")
    whole = frame.upsample("start_utc", every=step)
    return whole if SUN in whole.columns else whole.with_columns(pl.lit(0.0).alias(SUN)), step


def _data(whole: pl.DataFrame, step: timedelta, path: Path) -> RoomData:
    step_h = step / timedelta(hours=1)
    drawn = {name: _drawn(whole, name, step_h, path) for name in ("outdoor_degc", "heating_kw", SUN)}
    return RoomData(
        step_h=step_h,
        indoor_degc=whole["indoor_degc"].cast(pl.Float64).fill_null(float("nan")).to_numpy().copy(),
        outdoor_degc=drawn["outdoor_degc"],
        heating_kw=drawn["heating_kw"],
        sun_w_per_m2=drawn[SUN],
    )


def _drawn(whole: pl.DataFrame, name: str, step_h: float, path: Path) -> Floats:
    """A column with a straight line through its short holes."""
    values = whole[name].cast(pl.Float64)
    lengths = values.is_null().rle()
    place = 0
    for length, is_hole in zip(lengths.struct.field("len"), lengths.struct.field("value"), strict=True):
        if is_hole and length * step_h > HOLE_H:
            message = (
                f"{name} is missing for {length * step_h:g} h from {whole['start_utc'][place]:%Y-%m-%d %H:%M}Z on;"
                f" at most {HOLE_H:g} h can be drawn through"
            )
            raise BadInput(message, file=str(path), reason="hole")
        place += length
    found: Floats = values.interpolate().forward_fill().backward_fill().to_numpy().astype(np.float64)
    return found
