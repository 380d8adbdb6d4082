"""A piece of work on some uses of a site: which, over which days, from which files. Any process can do it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date

import polars as pl

from assets.kpi.enpi.daily import uses_streams
from assets.sites.virtual import streams_for, virtual_meters
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_files import LakeFile
from data_quality.contracts.baselines.baseline import Baseline
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Clock, local_day, local_midnight_utc
from data_quality.contracts.units import UNITS
from data_quality.contracts.work.work_port import FanOut
from ml.baselines.models.sufficiency import DAY_MIN_COVERAGE
from ml.baselines.usage_tables.usage_table import COLUMNS, Usage

# Each block looks through the site's rows for its own: many streams a block keep that a small part of the work, and a
# year of their days takes some ten MB.
STREAMS_A_BLOCK = 250
# A site with fewer has several blocks all the same, so that several processes have one; the same whoever does them.
BLOCKS, FEW_STREAMS = 8, 25


class UsesWork(Model):
    """Uses of one site over the local dates [start, end), and the files of the site in that span."""

    site: Site
    seu_ids: tuple[str, ...]
    start: date
    end: date
    files: tuple[LakeFile, ...]

    @property
    def seus(self) -> list[Seu]:
        """The uses themselves, in the order of the site file."""
        ids = set(self.seu_ids)
        return [seu for seu in self.site.seus if seu.seu_id in ids]


class UsesTask(UsesWork):
    """To be fitted. lake_digest: of the files' partitions. today: local date of the one who asks."""

    today: date
    lake_digest: str


def tasks_of(
    site: Site,
    periods: Mapping[tuple[date, date], Sequence[Seu]],
    *,
    lake: Lake,
    clock: Clock,
    streams: int = STREAMS_A_BLOCK,
) -> Iterator[UsesTask]:
    """The uses of each period in blocks of so many streams; the manifest is read once a period. Raises Unreachable."""
    for (start, end), seus in periods.items():
        if not seus:
            continue
        span = {
            "start_utc": local_midnight_utc(start, site.time_zone),
            "end_utc": local_midnight_utc(end, site.time_zone),
        }
        files, digest = lake.parts(site.site_id, **span), lake.digest(site.site_id, **span)
        most = min(streams, max(FEW_STREAMS, -(-len(uses_streams(seus)) // BLOCKS)))
        for block in blocks_of(site, seus, most):
            yield UsesTask(
                site=site,
                seu_ids=tuple(seu.seu_id for seu in block),
                start=start,
                end=end,
                today=local_day(clock.now_utc(), site.time_zone),
                files=files,
                lake_digest=digest,
            )


def answers_of(
    work: Callable[[UsesTask], dict[str, Baseline | Finding]],
    tasks: Sequence[UsesTask],
    fan_out: FanOut,
    *,
    what: str,
) -> Iterator[dict[str, Baseline | Finding]]:
    """Use -> result, a dict a task in their order; of a failed task, the reason."""
    for task, result in zip(tasks, fan_out(work, tasks, what=what), strict=True):
        answer = result.answer
        yield dict.fromkeys(task.seu_ids, answer) if isinstance(answer, Finding) else answer


def blocks_of(site: Site, seus: Sequence[Seu], streams: int = STREAMS_A_BLOCK) -> Iterator[list[Seu]]:
    """The uses in their order, in blocks whose streams are at most so many; one that has more is a block alone."""
    has_virtual = bool(virtual_meters(site))
    block: list[Seu] = []
    named: set[str] = set()
    for seu in seus:
        names = uses_streams([seu])
        own = set(streams_for(site, names) if has_virtual else names)
        if block and len(named | own) > streams:
            yield block
            block, named = [], set()
        block.append(seu)
        named |= own
    if block:
        yield block


def usage_of_days(days: pl.DataFrame, *, site: Site, seu: Seu) -> Usage:
    """The daily usage of a use's daily table (`seu_days`): energy scaled to whole days, its drivers, its day types.

    Days under 90 % of a meter's readings have no energy, as in every baseline of a use. The use's first driver in
    degrees is the temperature whose form is searched.
    """
    degrees = {each.driver_id for each in site.drivers if UNITS[each.unit].canonical == "degc"}
    names = [each.driver_id for each in seu.drivers]
    warmth = next((name for name in names if name in degrees), None)
    others = tuple(name for name in names if name != warmth)
    dates: list[date] = days["local_date"].to_list()
    behind = [date.fromordinal(dates[-1].toordinal() + 1)] if dates else []
    midnights = [local_midnight_utc(day, site.time_zone) for day in [*dates, *behind]]
    instants = pl.Series(midnights, dtype=pl.Datetime("us", "UTC"))
    is_whole = pl.col("coverage_worst_meter") >= DAY_MIN_COVERAGE
    # A calendar that is not offered to the use's baseline enters none of these models either.
    offered = {n: pl.col(n).cast(pl.Float64) if seu.day_types else pl.lit(0.0) for n in ("is_weekend", "is_holiday")}
    frame = days.with_columns(
        start_utc=instants[: len(dates)],
        end_utc=instants[1:],
        local_start=pl.col("local_date").cast(pl.Datetime("us")),
        days=pl.lit(1.0),
        energy_kwh=pl.when(is_whole).then(pl.col("energy_kwh") / pl.col("coverage")),
        temp_degc=pl.lit(None, pl.Float64) if warmth is None else pl.col(warmth),
        **offered,
    ).with_columns(is_day_off=pl.max_horizontal("is_weekend", "is_holiday"))
    return Usage(frequency="daily", zone=site.time_zone, frame=frame.select(*COLUMNS, *others), drivers=others)
