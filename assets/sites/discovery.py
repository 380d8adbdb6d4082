"""Proposes which meter stands below which, from readings alone, each with a confidence; nothing is ever applied.

Meters of one carrier are looked at together, the largest first: those that move one for one with it beside all others
are its children (discovery_fit.py says how), and then the energy must balance. What a parent has beyond its children is
shown as its unmetered rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from pydantic import Field, computed_field

from assets.sites.discovery_fit import (
    Changes,
    Fit,
    Floats,
    changes_of,
    confidence,
    members_of,
    without_spikes,
)
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.quality import ESTIMATED_CODES, QualityCode
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.site import Site

ENERGY_UNIT = "kwh"
UNFIT_CODES = ESTIMATED_CODES | {QualityCode.QUESTIONABLE, QualityCode.PROJECTED}
# Flow out of the meter's side of the network.
REVERSED_REGISTERS = ("export", "discharge")
# Hours: sources of an hour are compared with those of quarters, and clocks that differ by minutes matter less.
STEP_MINUTES = 60
# Of ten proposals nine should be right; below a half nothing is worth a look.
LEAST_CONFIDENCE = 0.9
LEAST_SHOWN = 0.5
# Below two weeks an hour of the week is seen once, and a usual week cannot be distinguished from chance.
LEAST_DAYS = 14
# A child may be a little above its parent: classes of accuracy, clocks.
SIZE_TOLERANCE = 0.05
# As in balance.py. One slot in twenty may break it: meters have bad hours.
BALANCE_TOLERANCE = 0.02
LEAST_BALANCED = 0.95
# A parent of whose changes the children leave no more than this open is explained wholly.
LEAST_OPEN = 0.02
# The first look at such a parent is rough: it is given up only where this many times as much stays open.
FIRST_LOOK = 8
# How far from 1 a child's coefficient may be there, beyond its own error.
WHOLE_TOLERANCE = 0.1
# From this share on, what moves with a parent is mostly no part of it (Fit.odd).
MOST_ODD = 1 / 3
# Energy of the lesser direction from which a single register counts as two-way.
TURNED_SHARE = 0.05
# Beyond this likeness, errors of measurement and not energy would say which of two meters holds the other.
TWIN_CORRELATION = 0.9995
TWIN_TOLERANCE = 0.03


class Proposal(Model):
    """One meter proposed below another. Energies are those of the slots at which both are present."""

    child: str
    parent: str
    confidence: float = Field(ge=0, le=1)
    coefficient: float = Field(description="Of the child's changes in the parent's, beside all others; about 1 or -1")
    coefficient_error: float = Field(ge=0)
    share: float = Field(description="Child's energy as a share 0-1 of the parent's; below 0 for a generator")
    balanced: float = Field(ge=0, le=1, description="Share of the slots at which the parent holds all its children")
    declared_parent: str | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def reason(self) -> str:
        """The evidence in one sentence."""
        return (
            f"{self.parent} moves {self.coefficient:+.3f} ± {self.coefficient_error:.3f} kWh per kWh of {self.child} "
            f"beside all other meters and holds its children in {self.balanced:.1%} of the slots"
        )


class Remainder(Model):
    """Remainder of a parent beyond its children, over the slots at which all of them are present."""

    parent: str
    children: tuple[str, ...]
    hours: float
    parent_kwh: float
    children_kwh: float
    rest_kwh: float
    rest_share: float | None = Field(description="Of the parent's energy; None where that is zero")
    profile_kw: tuple[float, ...] = Field(description="Mean rest in each hour of the local day, 00 to 23; kW")


class Discovery(Model):
    """Proposals that are sure enough, those that are not, the rests of the parents, and what could not be judged."""

    proposals: tuple[Proposal, ...] = ()
    weaker: tuple[Proposal, ...] = ()
    rests: tuple[Remainder, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Flows:
    """Net energy of each meter per slot in kWh, [slots, meters], NaN where a quarter hour or a register is missing."""

    names: tuple[str, ...]
    is_two_way: tuple[bool, ...]
    may_give: tuple[bool, ...]
    start_utc: pl.Series
    values: Floats
    minutes: int


def discover(
    readings: pl.DataFrame,
    *,
    site: Site | None = None,
    step_minutes: int = STEP_MINUTES,
    least_confidence: float = LEAST_CONFIDENCE,
    time_zone: str = "UTC",
) -> Discovery:
    """Which meters stand below which.

    readings: meter_id, register, interval_start_utc, interval_minutes, value, unit (LAKE_SCHEMA fits), unique by
    stream and start; only kWh counts, and nothing estimated or questionable by its quality_code where given.
    site: its meters by carrier, without virtual and secondary ones, and what it declares beside each proposal;
    None: all meters are of one carrier.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    found = Discovery()
    for names in _groups(readings, site):
        flows = flows_of(readings, names, step_minutes=step_minutes)
        # Many small products: threads that wait for each other would take longer than the products.
        with threadpool_limits(limits=1, user_api="blas"):
            part = _discover(flows, least_confidence, site.time_zone if site else time_zone, site)
        found = Discovery(
            proposals=found.proposals + part.proposals,
            weaker=found.weaker + part.weaker,
            rests=found.rests + part.rests,
            findings=found.findings + part.findings,
        )
    return found


def flows_of(readings: pl.DataFrame, meters: Sequence[str], *, step_minutes: int = STEP_MINUTES) -> Flows:
    """Energy in less energy out of each meter on an even grid; a slot counts where every part of it was read."""
    rows = readings.filter(pl.col("meter_id").is_in(list(meters)) & (pl.col("unit") == ENERGY_UNIT))
    if "quality_code" in rows.columns:
        # What was estimated or doubted says nothing of how meters are wired.
        rows = rows.filter(~pl.col("quality_code").is_in([int(code) for code in UNFIT_CODES]))
    is_out = pl.col("register").is_in(list(REVERSED_REGISTERS))
    per_slot = (
        rows.group_by("meter_id", "register", slot=pl.col("interval_start_utc").dt.truncate(f"{step_minutes}m"))
        .agg(
            value=pl.col("value").sum() * pl.when(is_out.first()).then(-1.0).otherwise(1.0),
            minutes=pl.col("interval_minutes").sum(),
        )
        # A slot that lacks a quarter hour would look like a fall of the load.
        .filter(pl.col("minutes") == step_minutes)
    )
    registers = rows.group_by("meter_id").agg(
        registers=pl.col("register").n_unique(),
        two_way=is_out.any(),
        may_give=(pl.col("register") != CONSUMPTION_REGISTER).any(),
    )
    net = (
        per_slot.group_by("meter_id", "slot")
        .agg(pl.col("value").sum(), present=pl.len())
        .join(registers, on="meter_id", how="inner", validate="m:1")
        # Import of a slot without its export is no net flow.
        .filter(pl.col("present") == pl.col("registers"))
    )
    names = sorted(net["meter_id"].unique().to_list())
    known = {name: (two_way, may_give) for name, _, two_way, may_give in registers.iter_rows()}
    if not names:
        return Flows((), (), (), pl.Series("slot", [], pl.Datetime("us", "UTC")), np.zeros((0, 0)), step_minutes)
    slots = net.select(
        pl.datetime_range(pl.col("slot").min(), pl.col("slot").max(), f"{step_minutes}m", time_zone="UTC").alias("slot")
    )
    wide = slots.join(
        net.pivot("meter_id", index="slot", values="value"), on="slot", how="left", maintain_order="left"
    ).select(pl.col(names).cast(pl.Float64).fill_null(float("nan")))
    values = wide.to_numpy()
    turned = _turns(values)
    two_way = tuple(bool(known[name][0]) or turned[at] for at, name in enumerate(names))
    may_give = tuple(bool(known[name][1]) for name in names)
    return Flows(tuple(names), two_way, may_give, slots["slot"], values, step_minutes)


def _turns(values: Floats) -> list[bool]:
    """True for a meter whose one register goes both ways: a net meter."""
    taken = np.nansum(np.maximum(values, 0.0), axis=0)
    given = np.nansum(np.maximum(-values, 0.0), axis=0)
    return [bool(is_net) for is_net in np.minimum(taken, given) > TURNED_SHARE * (taken + given)]


def _groups(readings: pl.DataFrame, site: Site | None) -> list[list[str]]:
    present = set(readings["meter_id"].unique().to_list())
    if site is None:
        return [sorted(present)]
    groups: dict[str, list[str]] = {}
    for meter in site.meters:
        if meter.meter_id in present and not meter.is_virtual and not meter.is_made_on_site:
            groups.setdefault(meter.carrier.value, []).append(meter.meter_id)
    return [names for names in groups.values() if len(names) > 1]


def _discover(flows: Flows, least_confidence: float, time_zone: str, site: Site | None) -> Discovery:
    # Before anything is squared: one wrong reading of a million would be all that moves.
    values = without_spikes(flows.values) if flows.values.size else flows.values
    usable, findings = _usable(flows, values)
    if len(usable) < 2:
        return Discovery(findings=findings)
    changes = changes_of(values, 60 / flows.minutes)
    size = np.nanmean(np.abs(values), axis=0)
    # Who sends energy out holds generators, and its own net flow says nothing of its place.
    order = sorted(usable, key=lambda at: (not flows.is_two_way[at], -size[at]))
    order, twins = _without_twins(flows, changes, order)
    proposals = _edges(flows, values, changes, order, least_confidence)
    declared = {} if site is None else {meter.meter_id: meter.parent_on() for meter in site.meters}
    proposals = [each.model_copy(update={"declared_parent": declared.get(each.child)}) for each in proposals]
    sure = tuple(each for each in proposals if each.confidence >= least_confidence)
    weaker = _best_of_each([each for each in proposals if each not in sure], {each.child for each in sure})
    rests = _rests(flows, values, sure, time_zone)
    return Discovery(proposals=sure, weaker=weaker, rests=rests, findings=(*findings, *twins))


def _edges(
    flows: Flows, values: Floats, changes: Changes, order: Sequence[int], least_confidence: float
) -> list[Proposal]:
    """Proposals over meters in order of size, sure ones and weaker ones; a sure child has one parent.

    First, from the smallest up, parents that their children explain almost wholly: such a parent and its children
    tell a meter above the same, so the children must be placed before. Then, from the largest down, all others: a
    meter whose parent is among the candidates too shows no coefficient of its own. Down once more: what a meter below
    has meanwhile taken no longer stands in the way.
    """
    size = np.nanmean(np.abs(values), axis=0)
    proposals: list[Proposal] = []
    owner: dict[int, int] = {}
    whole: set[int] = set()
    upwards, downwards = range(len(order) - 1, -1, -1), range(len(order))
    for is_wholly, turns in ((True, upwards), (False, downwards), (False, downwards)):
        for place in turns:
            parent = order[place]
            candidates = [at for at in order[place + 1 :] if owner.get(at, parent) == parent]
            # Of a parent with generation below, the net flow may be smaller than any child.
            if not flows.is_two_way[parent]:
                candidates = [at for at in candidates if size[at] <= (1 + SIZE_TOLERANCE) * size[parent]]
            if parent in whole or all(at in owner for at in candidates):
                continue
            most_open = FIRST_LOOK * LEAST_OPEN if is_wholly else 1.0
            fit = members_of(parent, np.array(candidates, dtype=np.int64), changes, most_open=most_open)
            fit = _without_impossible(flows, parent, fit)
            made = _balanced(flows.names, values, parent, fit, least_confidence, len(order) - 1)
            made = [each for each in made if flows.names.index(each.child) not in owner]
            sure = [each for each in made if each.confidence >= least_confidence]
            if is_wholly:
                if not sure or not _is_wholly_explained(fit, least_confidence, len(order) - 1):
                    continue
                whole.add(parent)
            proposals += made
            owner |= dict.fromkeys((flows.names.index(each.child) for each in sure), parent)
    return proposals


def _without_impossible(flows: Flows, parent: int, fit: Fit) -> Fit:
    """A meter that only takes energy in can lower its parent only where the parent also gives energy out."""
    kept = [
        at
        for at, column in enumerate(fit.members)
        if fit.coefficients[at] > 0 or flows.is_two_way[parent] or flows.is_two_way[column] or flows.may_give[column]
    ]
    return Fit(
        tuple(fit.members[at] for at in kept), fit.coefficients[kept], fit.errors[kept], fit.unexplained, fit.odd
    )


def _is_wholly_explained(fit: Fit, least_confidence: float, places: int) -> bool:
    """Coefficients where hardly any rest is left: each is 1, or nothing."""
    size = np.abs(fit.coefficients)
    is_member = size + 2 * fit.errors >= 0.5
    is_child = (np.abs(size - 1.0) <= WHOLE_TOLERANCE + 2 * fit.errors) & (
        confidence(fit.coefficients, fit.errors, places) >= least_confidence
    )
    return fit.unexplained <= LEAST_OPEN and bool(is_member.any()) and bool(np.all(is_child | ~is_member))


def _usable(flows: Flows, values: Floats) -> tuple[list[int], tuple[Finding, ...]]:
    """Columns that can be judged, and a finding for each that cannot."""
    wanted = LEAST_DAYS * 24 * 60 // flows.minutes
    usable, findings = [], []
    for at, name in enumerate(flows.names):
        column = values[:, at]
        known = column[np.isfinite(column)]
        if known.size < wanted:
            findings.append(
                Finding(
                    code="too_few_readings",
                    message=f"meter {name!r} has {known.size} whole slots of {flows.minutes} min; {wanted} are needed",
                    scope=f"meter:{name}",
                    facts={"slots": int(known.size), "slots_wanted": wanted},
                )
            )
        elif np.ptp(known) == 0:
            findings.append(
                Finding(
                    code="no_variation",
                    message=f"meter {name!r} never changes: its place cannot be determined from its readings",
                    scope=f"meter:{name}",
                )
            )
        else:
            usable.append(at)
    return usable, tuple(findings)


def _without_twins(flows: Flows, changes: Changes, usable: list[int]) -> tuple[list[int], tuple[Finding, ...]]:
    """One of each set of meters that tell the same story: which of them is the parent cannot be read from them."""
    fast = changes.moments
    total = fast.sums[fast.is_part].sum(axis=0)
    scale = np.sqrt(np.maximum(np.diag(total), 1e-300))
    alike = total / np.outer(scale, scale)
    kept: list[int] = []
    findings = []
    for at in usable:
        first = next((other for other in kept if _are_twins(alike[at, other], scale[at], scale[other])), None)
        if first is None:
            kept.append(at)
            continue
        one, two = flows.names[first], flows.names[at]
        findings.append(
            Finding(
                code="twin_meters",
                message=f"meters {one!r} and {two!r} read the same: one measured twice, or one holding nothing else; "
                "a person must say which",
                scope=f"meter:{two}",
                facts={"correlation": float(alike[at, first])},
            )
        )
    return kept, tuple(findings)


def _are_twins(correlation: float, scale: float, other: float) -> bool:
    return correlation > TWIN_CORRELATION and abs(scale / other - 1) < TWIN_TOLERANCE


def _balanced(
    names: Sequence[str], values: Floats, parent: int, fit: Fit, least_confidence: float, places: int
) -> list[Proposal]:
    """Proposals of one parent; while its children exceed it too often, the least sure one is no child."""
    # Where most that moves with a meter is no part of it, the one that looks like a part is none either.
    beliefs = confidence(fit.coefficients, fit.errors, places) * (1.0 - fit.odd if fit.odd > MOST_ODD else 1.0)
    sure = dict(zip(fit.members, beliefs, strict=True))
    slope = dict(zip(fit.members, fit.coefficients, strict=True))
    error = dict(zip(fit.members, fit.errors, strict=True))
    kept = [at for at in fit.members if sure[at] >= least_confidence]
    share = _balance_share(values, parent, {at: float(np.sign(slope[at])) for at in kept})
    while kept and share < LEAST_BALANCED:
        # One at a time, the least sure first: without it the others may balance.
        kept.remove(min(kept, key=lambda at: sure[at]))
        share = _balance_share(values, parent, {at: float(np.sign(slope[at])) for at in kept})
    made = []
    for at in fit.members:
        if sure[at] < LEAST_SHOWN:
            continue
        both = np.isfinite(values[:, at]) & np.isfinite(values[:, parent])
        whole = float(values[both, parent].sum())
        part = float(np.sign(slope[at])) * float(values[both, at].sum())
        held = share if at in kept else _balance_share(values, parent, {at: float(np.sign(slope[at]))})
        # Just below what counts as sure: it moves like a child, and the energy says no.
        belief = float(sure[at]) if at in kept else min(float(sure[at]), least_confidence - 0.01) * held
        made.append(
            Proposal(
                child=names[at],
                parent=names[parent],
                confidence=round(belief, 4),
                coefficient=round(float(slope[at]), 4),
                coefficient_error=round(float(error[at]), 4),
                share=round(part / whole, 6) if whole else 0.0,
                balanced=round(held, 4),
            )
        )
    return made


def _balance_share(values: Floats, parent: int, signs: Mapping[int, float]) -> float:
    """Share of the slots with all of them present at which the parent is not below its children."""
    columns = list(signs)
    rest = values[:, parent] - values[:, columns] @ np.array([signs[at] for at in columns])
    known = np.isfinite(rest)
    if not known.any():
        return 0.0
    own = np.abs(values[known, parent])
    # What a generator gives is measured too, so its size widens the tolerance.
    size = np.maximum(own, np.abs(values[np.ix_(known, columns)]).sum(axis=1) if columns else 0.0)
    return float(np.mean(rest[known] >= -BALANCE_TOLERANCE * np.maximum(size, np.median(own))))


def _best_of_each(given: Sequence[Proposal], placed: set[str]) -> tuple[Proposal, ...]:
    """The likeliest parent of each child that has none yet."""
    best: dict[str, Proposal] = {}
    for each in given:
        if each.child not in placed and (each.child not in best or best[each.child].confidence < each.confidence):
            best[each.child] = each
    return tuple(best.values())


def _rests(flows: Flows, values: Floats, sure: Sequence[Proposal], time_zone: str) -> tuple[Remainder, ...]:
    local_hour = flows.start_utc.dt.convert_time_zone(time_zone).dt.hour().to_numpy()
    found = []
    for parent in dict.fromkeys(each.parent for each in sure):
        children = [each for each in sure if each.parent == parent]
        columns = [flows.names.index(each.child) for each in children]
        signs = np.array([np.sign(each.coefficient) for each in children])
        whole = values[:, flows.names.index(parent)]
        parts = values[:, columns] @ signs
        known = np.isfinite(whole) & np.isfinite(parts)
        if not known.any():
            continue
        rest = whole[known] - parts[known]
        hour = local_hour[known]
        hours = tuple(
            round(float(rest[hour == number].mean()) / (flows.minutes / 60), 6) if (hour == number).any() else 0.0
            for number in range(24)
        )
        total = float(whole[known].sum())
        found.append(
            Remainder(
                parent=parent,
                children=tuple(each.child for each in children),
                hours=float(known.sum()) * flows.minutes / 60,
                parent_kwh=round(total, 6),
                children_kwh=round(float(parts[known].sum()), 6),
                rest_kwh=round(float(rest.sum()), 6),
                rest_share=round(float(rest.sum()) / total, 6) if total else None,
                profile_kw=hours,
            )
        )
    return tuple(found)
