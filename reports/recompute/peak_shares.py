"""Meters' shares of a highest demand: it moves with what each made of it in that window, not with its month's energy.

First order (JCGM 100, clause 5.1): errors that would make another quarter hour the highest are in no share.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction

import polars as pl

from assets.sites.meter_tree import ENERGY_UNIT
from assets.sites.scopes import Member
from assets.sites.virtual import inputs_of
from data_quality.contracts.site_file.formula import Term
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.time import CANONICAL_MINUTES, local_midnight_utc, parse_instant
from reports.recompute.figure_leaf import Leaf, Share
from reports.recompute.recomputed_kpis import running_rows

_AT = "interval_start_utc"
_STEP = timedelta(minutes=CANONICAL_MINUTES)
# Of a peak as it was published: beyond it the readings that are seen here are not those that made it.
_SAME = 1e-6
Dated = Sequence[tuple[Member, date, date]]


def peak_shares(leaf: Leaf, scope: str, start: date, end: date) -> list[Share] | None:
    """The meters' kWh in the scope's highest quarter hour of local days [start, end), or of its one hour, the earliest
    of equal ones; None where the readings have no such quarter hour.
    """
    members = leaf.members(scope, start, end)
    if (alone := _alone(leaf, members)) is not None:
        return [alone]
    signs = _signed(leaf, members)
    rows = _rows(leaf, members, start, end).join(signs, on="meter_id").filter(pl.col(_AT).is_between("since", "until"))
    if "hour_start_utc" in leaf.named:
        hour = parse_instant(leaf.named["hour_start_utc"])
        rows = rows.filter(pl.col(_AT).is_between(hour, hour + timedelta(hours=1), closed="left"))
    whole = rows.group_by(_AT).agg((pl.col("value") * pl.col("sign")).sum().alias("kwh"), pl.len(), pl.first("members"))
    # A quarter hour that one meter lacks is no demand of the scope (int_scope__hours.sql).
    whole = whole.filter(pl.col("len") == pl.col("members")).sort("kwh", _AT, descending=[True, False])
    if whole.is_empty():
        return None
    at_utc, kwh = whole.row(0, named=True)[_AT], whole.row(0, named=True)["kwh"]
    is_same = abs(kwh * 60 / CANONICAL_MINUTES - leaf.value) <= _SAME * abs(leaf.value)
    return _within(leaf, members, start, end, (at_utc, at_utc + _STEP)) if is_same else None


def running_shares(leaf: Leaf, scope: str, start: date, end: date) -> list[Share] | None:
    """The main meters' kWh in the window of a running demand: the one that it is in, or the month's highest so far.

    None for the projected one of several meters, of which part lies in days to come.
    """
    members = leaf.members(scope, start, end)
    if (alone := _alone(leaf, members)) is not None:
        return [alone]
    if leaf.named["field"].startswith("projected_"):
        return None
    quarters, _ = running_rows(leaf.trace, leaf.sources)
    until = quarters.filter(pl.col(_AT) + _STEP <= parse_instant(leaf.named["at_utc"])).sort(_AT)
    if leaf.named["field"] == "peak_kw":
        month = until["local_date"][-1].replace(day=1)
        is_whole = pl.col("block_minutes") == pl.col("window_minutes")
        until = until.filter((pl.col("local_date") >= month) & is_whole).sort("block_demand_kw", maintain_order=True)
    if until.is_empty():
        return None
    row = until.row(-1, named=True)
    ends: datetime = row[_AT] + _STEP
    return _within(leaf, members, start, end, (ends - timedelta(minutes=row["block_minutes"]), ends))


def _alone(leaf: Leaf, members: Dated) -> Share | None:
    """The one meter of a scope, where it is read: it is all of the demand, and nothing need be looked for."""
    names = {member.meter_id for member, _, _ in members}
    meter = leaf.site.meter(names.pop()) if len(names) == 1 else None
    return None if meter is None or meter.is_virtual else Share(meter.meter_id, 1.0)


def _signed(leaf: Leaf, members: Dated) -> pl.DataFrame:
    """A row a member: its sign, its first and last instant, and how many members there are then."""
    zone = leaf.site.time_zone
    rows = [
        (member.meter_id, member.sign, local_midnight_utc(first, zone), local_midnight_utc(after, zone) - _STEP)
        for member, first, after in members
    ]
    instant = pl.Datetime("us", "UTC")
    schema = pl.Schema({"meter_id": pl.String(), "sign": pl.Int64(), "since": instant, "until": instant})
    return pl.DataFrame(rows, schema, orient="row").with_columns(members=pl.len().over("since", "until"))


def _rows(leaf: Leaf, members: Dated, start: date, end: date) -> pl.DataFrame:
    """Imports of the members, and of what virtual ones are made of."""
    names = sorted({member.meter_id for member, _, _ in members})
    rows = leaf.sources.stream_readings(leaf.site, names, start, end, leaf.trace.as_of_utc)
    is_import = (pl.col("register") == CONSUMPTION_REGISTER) & (pl.col("unit") == ENERGY_UNIT)
    return rows.filter(is_import).select("meter_id", _AT, "value")


def _within(
    leaf: Leaf, members: Dated, start: date, end: date, window: tuple[datetime, datetime]
) -> list[Share] | None:
    """KWh of the meters behind the members in a window, of a virtual one those of its inputs."""
    rows = _rows(leaf, members, start, end).filter(pl.col(_AT).is_between(*window, closed="left"))
    kwh = dict(rows.group_by("meter_id").agg(pl.col("value").sum()).iter_rows())
    present = _signed(leaf, members).filter(pl.col("since") <= window[0], pl.col("until") >= window[1] - _STEP)
    shares = []
    for name, sign in present.select("meter_id", "sign").iter_rows():
        for term in inputs_of(leaf.site, name) or (Term(name, CONSUMPTION_REGISTER, Fraction(1)),):
            if term.register_id != CONSUMPTION_REGISTER or term.meter_id not in kwh:
                return None
            shares.append(Share(term.meter_id, sign * float(term.coefficient) * kwh[term.meter_id]))
    return shares
