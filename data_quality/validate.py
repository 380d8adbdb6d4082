"""Validation: every rule over every stream, month by month, each month judged by the history before it.

Nothing looks past the month's end, so a month judged after its trailing history gives what judging all at once gives.
Readings are never changed here; what a finding means for a KPI is decided by its action.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property

import numpy as np
import polars as pl

from data_quality.contracts.site_file.vee import Action, Limit, RuleFinding, ValidationRules
from data_quality.contracts.time import local_day, local_midnight_utc
from data_quality.reading_grid import Flags, Floats, Grid
from data_quality.rules.rule_table import BALANCE_REASON, BALANCE_RULES, EXPLAINED_BY, MILD, RULES
from data_quality.rules.shared.energy_balance import DEFAULT_TOLERANCE, Balance, DailySums, excesses
from data_quality.rules.shared.grid_days import Days
from data_quality.rules.shared.hits import Hits
from data_quality.rules.shared.norms import LEAD_DAYS, Block
from data_quality.rules.shared.rule_findings import (
    Event,
    action_of,
    excess_finding,
    finding_of,
    limit_of,
    merged,
    other_side,
)
from data_quality.score import daily_scores, stream_scores

_NO_RULES = ValidationRules()


@dataclass
class Judged:
    """One grid after validation, with the events of its streams."""

    days: Days
    events: list[Event] = field(default_factory=list)


@dataclass(frozen=True)
class Validation:
    """Result of validation. findings: by time; scores: as `daily_scores`, of the days judged."""

    findings: tuple[RuleFinding, ...]
    judged: tuple[Judged, ...]
    scores: pl.DataFrame

    @cached_property
    def score(self) -> float | None:
        """Mean score of all streams and days, 0 to 1; None where nothing was due."""
        known = self.scores.filter(pl.col("expected") > 0)
        return float(known["score"].mean()) if known.height else None  # type: ignore[arg-type]

    @cached_property
    def coverage(self) -> float | None:
        """Share of the readings that are there, 0 to 1; None where nothing was due."""
        due = int(self.scores["expected"].sum())
        return int(self.scores["known"].sum()) / due if due else None

    def of_days(self, first: date, end: date) -> "Validation":
        """The same with the scores of the local days [first, end) only."""
        is_own = (pl.col("local_date") >= first) & (pl.col("local_date") < end)
        return replace(self, scores=self.scores.filter(is_own))

    def streams(self) -> list[dict[str, object]]:
        """Per stream its mean score and what it is made of, the worst first."""
        return stream_scores(self.scores).to_dicts()


def validate(
    grids: Sequence[Grid],
    *,
    time_zone: str = "UTC",
    rules: ValidationRules | None = None,
    balances: Sequence[Balance] = (),
    since_utc: datetime | None = None,
) -> Validation:
    """Judge all local months of the grids that end after `since_utc`; what lies before it is history only.

    Give at least `history_start` of the first month as the grid's start, where there is so much: less history makes
    other limits. balances are compared over the days that all grids share.
    """
    declared = rules or _NO_RULES
    judged = [Judged(Days(grid, time_zone)) for grid in grids]
    findings: list[RuleFinding] = []
    for one in judged:
        for block in blocks(one.days, since_utc):
            findings += _judge(one, block, declared)
    findings += _balance_findings(judged, balances, declared, since_utc)
    tables = [_scores(one, since_utc) for one in judged]
    scores = pl.concat(tables) if tables else daily_scores(None)
    return Validation(_in_order(findings), tuple(judged), scores)


def together(parts: Sequence[Validation]) -> Validation:
    """Spans of whole local months that were judged one behind the other, as one; of several without their grids."""
    if len(parts) == 1:
        return parts[0]
    findings = [finding for each in parts for finding in each.findings]
    scores = pl.concat([each.scores for each in parts])
    return Validation(_in_order(findings), (), scores.sort("meter_id", "register", "local_date"))


def _in_order(findings: Sequence[RuleFinding]) -> tuple[RuleFinding, ...]:
    order = sorted(merged(findings), key=lambda each: (each.start_utc, each.meter, each.register_id, each.rule))
    return tuple(order)


def history_start(since_utc: datetime, time_zone: str) -> datetime:
    """From which instant on readings are needed to judge a local month that begins at `since_utc`."""
    first = local_day(since_utc, time_zone) - timedelta(days=LEAD_DAYS)
    return local_midnight_utc(first, time_zone)


def blocks(days: Days, since_utc: datetime | None = None) -> Iterator[Block]:
    """The local months of a grid, in order; without those that ended at or before `since_utc`."""
    first = 0
    since = max(0, days.day_of(since_utc)) if since_utc is not None else 0
    for day in range(1, days.count + 1):
        # Local months, as they are stored, estimated and published: judged alone or in a row, each is the same span.
        if day == days.count or days.dates[day].month != days.dates[day - 1].month:
            if day > since:
                yield Block(days, max(first, since), day)
            first = day


def _judge(judged: Judged, block: Block, declared: ValidationRules) -> list[RuleFinding]:
    found: dict[str, Hits] = {}
    limits: dict[str, Floats] = {}
    # All are found before any is reported: what explains an event may stand later in the table.
    for name, rule in RULES.items():
        limits[name] = _limits(block, name, declared)
        found[name] = rule.find(block, limits[name])
    findings = []
    for name, hits in found.items():
        # A jump is adjacent to the event that it leads into or out of, not within it.
        kept = _unexplained(hits, [found[other] for other in EXPLAINED_BY.get(name, ())], margin=int(name == "rate"))
        for event in _events(block, name, kept, limits[name], declared):
            judged.events.append(event)
            findings.append(finding_of(block, event))
            if name == "unit_scale":
                findings += other_side(block, findings[-1], event.row)
    return findings


def _events(block: Block, name: str, hits: Hits, limits: Floats, declared: ValidationRules) -> Iterator[Event]:
    # By the meter's own limits: a person who declares one knows its habits.
    mild = MILD[name].is_mild(block, RULES[name].limits(block)) if name in MILD and hits.count else None
    for row, first, end, value in zip(hits.row, hits.first, hits.end, hits.value, strict=True):
        meter_id = block.days.grid.streams[row].meter_id
        setting = declared.setting(meter_id, name)
        is_declared = setting is not None and setting.limit is not None
        is_mild = mild is not None and bool(mild[row]) and not is_declared
        yield Event(
            rule=name,
            row=int(row),
            first=int(first),
            end=int(end),
            value=float(value),
            action=action_of(declared, meter_id, name, is_mild=is_mild),
            limit=limit_of(block, name, int(row), float(limits[row]), declared),
        )


def _limits(block: Block, name: str, declared: ValidationRules) -> Floats:
    limits = RULES[name].limits(block).astype(np.float64)
    for row, stream in enumerate(block.days.grid.streams):
        setting = declared.setting(stream.meter_id, name)
        if setting is not None and not setting.enabled:
            limits[row] = np.nan
        elif setting is not None and setting.limit is not None:
            limits[row] = setting.limit
    return limits


def _unexplained(events: Hits, others: Sequence[Hits], *, margin: int) -> Hits:
    """Events less than half covered by others; with a margin (slots), those that touch no other."""
    if not events.count or not any(other.count for other in others):
        return events
    keep = np.ones(events.count, bool)
    for place in range(events.count):
        row, first, end = events.row[place], events.first[place] - margin, events.end[place] + margin
        covered = 0
        for other in others:
            same = other.row == row
            shared = np.minimum(other.end[same], end) - np.maximum(other.first[same], first)
            covered += int(np.maximum(shared, 0).sum())
        keep[place] = covered == 0 if margin else covered * 2 < end - first
    return events.of(keep)


def _balance_findings(
    judged: Sequence[Judged], balances: Sequence[Balance], declared: ValidationRules, since_utc: datetime | None
) -> list[RuleFinding]:
    if not balances or not judged:
        return []
    grids = [one.days for one in judged]
    sums = DailySums.of(grids, [_doubtful(one) for one in judged])
    first = 0
    if since_utc is not None and sums.dates:
        # Grids of other steps may begin on other days: `first` is a place in the days that all share.
        first = max(0, (grids[0].dates[0] - sums.dates[0]).days + grids[0].day_of(since_utc))
    found: list[RuleFinding] = []
    for balance in balances:
        setting = declared.setting(balance.name, balance.rule)
        if setting is not None and not setting.enabled:
            continue
        given = setting.limit if setting is not None else None
        tolerance = declared.sum_tolerance if given is None else given
        source = "declared" if given is not None or tolerance != DEFAULT_TOLERANCE else "accuracy classes"
        limit = Limit(value=tolerance, unit=BALANCE_RULES[balance.rule], source=source, reason=BALANCE_REASON)
        action = action_of(declared, balance.name, balance.rule)
        found += [
            excess_finding(excess, sums, limit, action, grids[0].time_zone)
            for excess in excesses(sums, balance, tolerance=tolerance, first=first, end=len(sums.dates))
        ]
    return found


def _doubtful(judged: Judged) -> Flags:
    """[streams, days] on which a reading is excluded or held: a sum over it says nothing of the others."""
    days = judged.days
    out = np.zeros((len(days.grid.streams), days.count), bool)
    for event in judged.events:
        if event.action is not Action.FLAG:
            first, last = np.searchsorted(days.edges, [event.first, event.end - 1], side="right") - 1
            out[event.row, first : last + 1] = True
    return out


def _scores(judged: Judged, since_utc: datetime | None) -> pl.DataFrame:
    events: dict[str, list[tuple[int, int, int]]] = {action.value: [] for action in Action}
    for event in judged.events:
        events[event.action.value].append((event.row, event.first, event.end))
    first_day = max(0, judged.days.day_of(since_utc)) if since_utc is not None else 0
    return daily_scores(judged.days, events, first_day=first_day)
