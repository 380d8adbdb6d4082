"""The rules of validation in pandas, as one writes them there: the other side of validation_bench.py.

Same limits, same rules, same order of explanation, over the same table; kept free of tricks and of loops over rows.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_quality.rules.clock_shift import MOST_HOURS
from data_quality.rules.unit_scale import FACTORS

WEEKS, SLOTS_A_DAY, SLOTS_AN_HOUR = 8, 96, 4
RULES = ("dead", "stuck", "spike", "unit_scale", "negative", "range", "rate", "clock_shift")
EXPLAINED_BY = {
    "spike": ["unit_scale"],
    "unit_scale": ["dead", "stuck"],
    "range": ["spike", "unit_scale"],
    "rate": ["dead", "stuck", "spike", "unit_scale", "negative", "range"],
    "clock_shift": ["dead", "stuck"],
}
EVENT = ["meter_id", "first", "end"]


def flagged_slots(readings: pd.DataFrame) -> dict[str, int]:
    """readings: meter_id, interval_start_utc, value. Returns how many slots each rule flags."""
    table = _table(readings)
    days = _days(table)
    hours = table.groupby(["hour", "meter_id"], observed=True)["value"].sum().unstack()
    runs = _runs(table)
    found: list[pd.DataFrame] = []
    months = pd.Series(days["highest"].index.strftime("%Y-%m"), index=days["highest"].index)
    for _, dates in months.groupby(months):
        block = Block(table, days, hours, runs, dates.index[0], dates.index[-1] + pd.Timedelta(days=1))
        found.append(block.events())
    events = pd.concat(found)
    return {rule: _count(events[events["rule"] == rule]) for rule in RULES}


def _table(readings: pd.DataFrame) -> pd.DataFrame:
    table = readings.sort_values(["meter_id", "interval_start_utc"], ignore_index=True)
    by_meter = table.groupby("meter_id", observed=True)
    table["date"] = table["interval_start_utc"].dt.floor("D")
    table["hour"] = table["interval_start_utc"].dt.floor("h")
    table["slot"] = by_meter.cumcount()
    table["before"] = by_meter["value"].shift(1)
    table["after"] = by_meter["value"].shift(-1)
    table["step"] = (table["value"] - table["before"]).abs()
    return table


def _days(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    grouped = table.groupby(["date", "meter_id"], observed=True)
    daily = grouped.agg(highest=("value", "max"), lowest=("value", "min"), mean=("value", "mean"), step=("step", "max"))
    return {name: daily[name].unstack() for name in daily.columns}


def _runs(table: pd.DataFrame) -> pd.DataFrame:
    is_new = (table["value"] != table["before"]) | (table["slot"] == 0)
    grouped = table.groupby(is_new.cumsum())
    runs = grouped.agg(
        meter_id=("meter_id", "first"), first=("slot", "first"), n=("slot", "size"), value=("value", "first")
    )
    runs = runs[runs["n"] >= 3 * SLOTS_AN_HOUR].reset_index(drop=True)
    runs["end"] = runs["first"] + runs["n"]
    return runs


def _count(events: pd.DataFrame) -> int:
    """Slots of the union of the events."""
    total = 0
    for _, own in events.sort_values(EVENT).groupby("meter_id", observed=True):
        reached = -1
        for first, end in zip(own["first"], own["end"], strict=True):
            total += max(0, end - max(first, reached))
            reached = max(reached, end)
    return total


def exceeded(values: pd.DataFrame, share: float) -> pd.Series:
    """Per column the value that at most that share of the values exceeds; of three and more, one at least."""
    counts = values.count()
    found = {}
    for name in values.columns:
        ordered = np.sort(values[name].dropna().to_numpy())
        place = int(np.ceil((1 - share) * counts[name])) - 1
        place = min(place, counts[name] - 2) if counts[name] >= 3 else place
        found[name] = ordered[max(place, 0)] if len(ordered) else np.nan
    return pd.Series(found)


def weekly(per_day: pd.DataFrame, share: float = 0.375) -> pd.Series:
    """The weekly highest that this share of the weeks exceeds; of days where there are less than four weeks."""
    if len(per_day) < 28:
        return exceeded(per_day, 0.1) if len(per_day) else pd.Series(np.nan, index=per_day.columns)
    week = (len(per_day) - 1 - np.arange(len(per_day))) // 7
    return exceeded(per_day.groupby(week).max(), share)


def weekly_low(per_day: pd.DataFrame) -> pd.Series:
    """The weekly highest that three weeks of eight stay below."""
    if len(per_day) < 28:
        return -exceeded(-per_day, 0.1) if len(per_day) else pd.Series(np.nan, index=per_day.columns)
    week = (len(per_day) - 1 - np.arange(len(per_day))) // 7
    return -exceeded(-per_day.groupby(week).max(), 0.375)


class Block:
    """One month of all meters, with the eight weeks before it."""

    def __init__(
        self,
        table: pd.DataFrame,
        days: dict[str, pd.DataFrame],
        hours: pd.DataFrame,
        runs: pd.DataFrame,
        start: pd.Timestamp,
        end: pd.Timestamp,
    ) -> None:
        self.days, self.hours, self.runs = days, hours, runs
        self.rows = table[(table["date"] >= start) & (table["date"] < end)]
        origin = days["highest"].index[0]
        reach = pd.Timedelta(weeks=WEEKS)
        self.origin, self.start, self.end = origin, start, end
        self.first_slot = (start - origin).days * SLOTS_A_DAY
        # The last month may end within a day.
        self.end_slot = int(self.rows["slot"].max()) + 1
        self.past = (max(origin, start - reach), start)
        self.own = (max(origin, end - reach), end)
        self.is_own = (start - self.past[0]).days < 14

    def span(self, frame: pd.DataFrame, span: tuple[pd.Timestamp, pd.Timestamp]) -> pd.DataFrame:
        return frame[(frame.index >= span[0]) & (frame.index < span[1])]

    def upper(self, per_day: pd.DataFrame) -> pd.Series:
        return np.fmax(weekly(self.span(per_day, self.past)), weekly(self.span(per_day, self.own)))

    def lower(self, per_day: pd.DataFrame) -> pd.Series:
        return -self.upper(-per_day)

    def events(self) -> pd.DataFrame:
        """Events of all rules: rule, meter_id, first, end; what others explain is left out."""
        highest, step = self.upper(self.days["highest"]), self.upper(self.days["step"])
        lowest = self.lower(self.days["lowest"])
        mean = self.span(self.days["mean"], self.own if self.is_own else self.past).median()
        zero, steady = self.runs[self.runs["value"] == 0], self.runs[self.runs["value"] != 0]
        found = {
            "dead": self.longer(zero, np.maximum(2 * self.usual_run(zero), 12)),
            "stuck": self.longer(steady, np.maximum(2 * self.usual_run(steady), 24)),
            "spike": self.spikes(highest, mean, step),
            "unit_scale": UnitScale(self).events(),
            "negative": self.stretches(
                self.rows["value"] < self.rows["meter_id"].map(self.negative_limit(lowest, highest))
            ),
            "range": self.out_of_range(highest, mean),
            "rate": self.stretches(self.rows["step"] > self.rows["meter_id"].map(3 * step), is_single=True),
            "clock_shift": self.clock_shifts(),
        }
        kept = [self.unexplained(name, found).assign(rule=name) for name in found]
        return pd.concat(kept)

    def unexplained(self, name: str, found: dict[str, pd.DataFrame]) -> pd.DataFrame:
        events, margin = found[name], int(name == "rate")
        others = [found[other] for other in EXPLAINED_BY.get(name, [])]
        other = pd.concat(others) if others else events.head(0)
        if events.empty or other.empty:
            return events
        events = events.reset_index(drop=True).reset_index(names="event")
        pairs = events.merge(other[EVENT], on="meter_id", suffixes=("", "_other"))
        shared = np.minimum(pairs["end"] + margin, pairs["end_other"]) - np.maximum(
            pairs["first"] - margin, pairs["first_other"]
        )
        covered = shared.clip(lower=0).groupby(pairs["event"]).sum().reindex(events["event"], fill_value=0)
        length = (events["end"] - events["first"] + 2 * margin).to_numpy()
        is_kept = covered.to_numpy() == 0 if margin else covered.to_numpy() * 2 < length
        return events.loc[is_kept, EVENT]

    def stretches(self, is_hit: "pd.Series[bool]", *, is_single: bool = False) -> pd.DataFrame:
        rows = self.rows[is_hit]
        if is_single:
            return pd.DataFrame({"meter_id": rows["meter_id"], "first": rows["slot"], "end": rows["slot"] + 1})
        piece = ((rows["slot"].diff() != 1) | (rows["meter_id"] != rows["meter_id"].shift())).cumsum()
        grouped = rows.groupby(piece)
        found = grouped.agg(
            meter_id=("meter_id", "first"),
            first=("slot", "first"),
            last=("slot", "last"),
            peak=("value", "max"),
            before=("before", "first"),
            after=("after", "last"),
        )
        return found.assign(end=found["last"] + 1)

    def spikes(self, highest: pd.Series, mean: pd.Series, step: pd.Series) -> pd.DataFrame:
        low = self.peak_low()
        limit = highest + 0.75 * (highest - mean) + (highest - low)
        found = self.stretches(self.rows["value"] > self.rows["meter_id"].map(limit))
        after = found["after"].where(found["end"] < self.end_slot)
        leap = found["peak"] - np.fmax(np.fmax(found["before"], after), -np.inf)
        is_short = found["end"] - found["first"] <= 3 * SLOTS_AN_HOUR
        found = found[is_short & (leap > 1.5 * found["meter_id"].map(step))]
        days_hit = (found["first"] // SLOTS_A_DAY).groupby(found["meter_id"]).transform("nunique")
        return found.loc[(days_hit <= 4) | (found["peak"] > 2 * found["meter_id"].map(limit)), EVENT]

    def peak_low(self) -> pd.Series:
        past, own = (self.span(self.days["highest"], span) for span in (self.past, self.own))
        is_past = np.fmax(weekly(past), weekly(own)) == weekly(past)
        return weekly_low(past).where(is_past, weekly_low(own))

    def out_of_range(self, highest: pd.Series, mean: pd.Series) -> pd.DataFrame:
        limit = highest + 4 * (highest - mean)
        found = self.stretches(self.rows["value"] > self.rows["meter_id"].map(limit))
        return found.loc[found["end"] - found["first"] > 3 * SLOTS_AN_HOUR, EVENT]

    def negative_limit(self, lowest: pd.Series, highest: pd.Series) -> pd.Series:
        bad_days = (self.span(self.days["lowest"], self.own) < 0).sum()
        limit = -0.02 * highest.abs()
        return limit.where((lowest >= 0) | (bad_days <= 1))

    def usual_run(self, runs: pd.DataFrame) -> pd.Series:
        over = runs[runs["end"] < self.last_slot()]
        day = self.origin + pd.to_timedelta(over["end"] // SLOTS_A_DAY, unit="D")
        longest = over["n"].clip(upper=7 * SLOTS_A_DAY).groupby([day, over["meter_id"]]).max().unstack()
        frame = longest.reindex(index=self.days["highest"].index, columns=self.days["highest"].columns).fillna(0.0)
        return self.upper(frame)

    def last_slot(self) -> int:
        return len(self.days["highest"]) * SLOTS_A_DAY

    def longer(self, runs: pd.DataFrame, least: pd.Series) -> pd.DataFrame:
        end = runs["end"].clip(upper=self.end_slot)
        is_long = end - runs["first"] >= runs["meter_id"].map(least)
        kept = is_long & (runs["first"] < self.end_slot) & (runs["end"] > self.first_slot)
        return pd.DataFrame(
            {"meter_id": runs["meter_id"], "first": runs["first"].clip(lower=self.first_slot), "end": end}
        )[kept]

    def expected(self) -> pd.DataFrame:
        """Per hour of history and block the median of the hour on its weekday."""
        span = self.own if self.is_own else self.past
        history = self.span(self.hours, span)
        weekday = ((history.index - self.origin).days % 7).to_numpy()
        by_weekday = history.groupby([weekday, history.index.hour])
        profile = by_weekday.median().where(by_weekday.count() >= 3)
        whole = history.groupby(history.index.hour).median()
        profile = profile.fillna(whole.reindex(profile.index, level=1))
        seen = self.seen_hours()
        key = pd.MultiIndex.from_arrays([(seen - self.origin).days % 7, seen.hour])
        return profile.reindex(key).set_axis(seen)

    def seen_hours(self) -> pd.DatetimeIndex:
        return self.span(self.hours, (self.past[0], self.end)).index

    def clock_shifts(self) -> pd.DataFrame:
        expected = self.expected()
        # What a window of days needs before the month; days further back were judged with their own month.
        reach = max(self.past[0], self.start - pd.Timedelta(days=10))
        seen = self.span(self.hours, (reach, self.end))
        day = seen.index.floor("D")
        fits = {}
        moments = {
            name: part.groupby(day).sum().rolling(3, min_periods=1).sum() for name, part in _powers(seen).items()
        }
        n = np.repeat(24.0 * np.minimum(np.arange(1, len(moments["x"]) + 1), 3)[:, None], seen.shape[1], axis=1)
        for shift in range(-MOST_HOURS, MOST_HOURS + 1):
            moved = expected.shift(shift).ffill().bfill().loc[seen.index]
            other = {
                name: part.groupby(day).sum().rolling(3, min_periods=1).sum() for name, part in _powers(moved).items()
            }
            product = (seen * moved).groupby(day).sum().rolling(3, min_periods=1).sum()
            spread = (moments["xx"] - moments["x"] ** 2 / n) * (other["xx"] - other["x"] ** 2 / n)
            fits[shift] = ((product - moments["x"] * other["x"] / n) / np.sqrt(spread)).where(n >= 48)
        cube = np.stack([fits[shift].to_numpy() for shift in sorted(fits)], axis=2)
        most_left = np.maximum(4 * (1 - self.usual_fit(expected)), 0.03).fillna(-1.0).to_numpy()
        return self.shift_events(cube, fits[0].index, fits[0].columns, most_left)

    def usual_fit(self, expected: pd.DataFrame) -> pd.Series:
        """Median correlation of the history's windows in place, from 0.8 on."""
        seen = self.span(self.hours, (self.past[0], self.end) if self.is_own else self.past)
        moved, day = expected.loc[seen.index], seen.index.floor("D")
        x, xx, y, yy, xy = (
            part.groupby(day).sum().rolling(3, min_periods=1).sum()
            for part in (seen, seen * seen, moved, moved * moved, seen * moved)
        )
        n = np.repeat(24.0 * np.minimum(np.arange(1, len(x) + 1), 3)[:, None], seen.shape[1], axis=1)
        fit = ((xy - x * y / n) / np.sqrt((xx - x**2 / n) * (yy - y**2 / n))).where(n >= 48)
        usual = fit.median()
        return usual.where((usual >= 0.8) & (len(fit) >= 14))

    def shift_events(
        self, cube: Any, days: pd.DatetimeIndex, meters: pd.Index, most_left: NDArray[np.float64]
    ) -> pd.DataFrame:
        at = np.nan_to_num(cube, nan=-1.0)
        best, there, here = at.argmax(axis=2) - MOST_HOURS, at.max(axis=2), at[:, :, MOST_HOURS]
        is_shifted = (best != 0) & (there >= 0.8) & (1 - there <= 0.5 * (1 - here)) & (1 - there <= most_left)
        found = []
        for column, meter in enumerate(meters):
            frame = pd.DataFrame({"hit": is_shifted[:, column], "shift": best[:, column]})
            piece = (frame != frame.shift()).any(axis=1).cumsum()
            spans = [
                (int(own.index[0]), int(own.index[-1]) + 1, int(own["shift"].iloc[0]))
                for _, own in frame[frame["hit"]].groupby(piece[frame["hit"]])
                if len(own) >= 5
            ]
            joined: list[tuple[int, int, int]] = []
            for first, end, shift in spans:
                if joined and joined[-1][2] == shift and first - joined[-1][1] <= 7:
                    joined[-1] = (joined[-1][0], end, shift)
                else:
                    joined.append((first, end, shift))
            ahead = int((days < self.start).sum())
            offset = (days[0] - self.origin).days
            found += [
                (meter, (max(first, ahead) + offset) * SLOTS_A_DAY, min((end + offset) * SLOTS_A_DAY, self.end_slot))
                for first, end, _ in joined
                if end > ahead
            ]
        return pd.DataFrame(found, columns=EVENT)


def _powers(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {"x": frame, "xx": frame * frame}


class UnitScale:
    """The rule unit_scale over one block."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.hours = block.span(block.hours, (block.past[0], block.end))
        self.expected = block.expected()
        day = self.hours.index.floor("D")
        quarter = day + pd.to_timedelta(self.hours.index.hour // 6 * 6, unit="h")
        self.level = _log(self.hours.groupby(day).sum() / self.expected.groupby(day).sum())
        shape = _log(self.hours.groupby(quarter).sum() / self.expected.groupby(quarter).sum())
        self.shape = [
            shape[shape.index.hour == hour].set_axis(self.level.index[: len(shape[shape.index.hour == hour])])
            for hour in (0, 6, 12, 18)
        ]
        known = self.level.notna()
        for part in self.shape:
            known &= part.reindex(self.level.index).notna()
        self.level = self.level.where(known)
        self.shape = [part.reindex(self.level.index).where(known) for part in self.shape]

    def events(self) -> pd.DataFrame:
        """Events of the block."""
        jump, odd = self.jumps()
        size = jump.abs().fillna(0.0)
        limit = self.limit(jump, odd)
        days, block = self.level.index, self.block
        means = block.days["mean"]
        low, high = block.lower(means), block.upper(means)
        seen = means.reindex(days)
        is_ordinary = (seen >= low) & (seen <= high)
        is_hit = ((odd & (size >= np.log(6.0))) | ((odd | self.lasting(jump, size)) & ~is_ordinary)) & (size >= limit)
        found = []
        ahead = int((days < block.start).sum())
        for meter in is_hit.columns[is_hit.to_numpy()[ahead:].any(axis=0)]:
            found += self.events_of(meter, is_hit[meter].to_numpy(), jump[meter].to_numpy(), ahead)
        return pd.DataFrame(found, columns=EVENT)

    def jumps(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        meters = self.level.columns
        recent: dict[str, list[Any]] = {name: [] for name in meters}
        streak = dict.fromkeys(meters, 0)
        parts = np.stack([self.level.to_numpy(), *(part.to_numpy() for part in self.shape)], axis=2)
        jump, spread = np.full(parts.shape[:2], np.nan), np.full(parts.shape[:2], np.inf)
        odd = np.zeros(parts.shape[:2], bool)
        for day in range(parts.shape[0]):
            for column, name in enumerate(meters):
                today = parts[day, column]
                if np.isnan(today[0]):
                    continue
                if len(recent[name]) >= 3:
                    change = today - np.median(recent[name], axis=0)
                    jump[day, column] = change[0]
                    spread[day, column] = np.abs(change[1:] - change[0]).max()
                    odd[day, column] = is_odd(change[0], spread[day, column])
                streak[name] = streak[name] + 1 if odd[day, column] else 0
                is_new = odd[day, column] and streak[name] >= 28
                if is_new:
                    recent[name] = []
                if not odd[day, column] or is_new:
                    recent[name] = [*recent[name][-13:], today]
        frame = {"index": self.level.index, "columns": meters}
        return pd.DataFrame(jump, **frame), pd.DataFrame(odd, **frame)

    def limit(self, jump: pd.DataFrame, odd: pd.DataFrame) -> pd.Series:
        usual = jump.abs().where(~odd)
        ahead = usual[usual.index < self.block.start]
        ordinary = weekly(usual.tail(7 * WEEKS)) if self.block.is_own else weekly(ahead)
        return np.maximum(np.log(2.5), 1.5 * ordinary).where(ordinary.notna())

    def lasting(self, jump: pd.DataFrame, size: pd.DataFrame) -> pd.DataFrame:
        out = pd.DataFrame(data=False, index=jump.index, columns=jump.columns)
        for sign in (1, -1):
            is_big = (size >= np.log(6.0)) & (np.sign(jump) == sign)
            for meter in is_big.columns[is_big.sum() >= 3]:
                piece = (is_big[meter] != is_big[meter].shift()).cumsum()
                length = is_big[meter].groupby(piece).transform("size")
                out[meter] |= is_big[meter] & (length >= 3)
        return out

    def events_of(self, meter: str, is_hit: Any, jump: Any, ahead: int) -> list[tuple[str, int, int]]:
        known = np.flatnonzero(~np.isnan(jump))
        hit = pd.Series(is_hit[known])
        piece = (hit != hit.shift()).cumsum()
        found = []
        for _, own in hit[hit].groupby(piece[hit]):
            first, end = int(known[own.index[0]]), int(known[own.index[-1]]) + 1
            before = jump[:first][~np.isnan(jump[:first])][-2:]
            if end <= ahead or not len(before) or np.min(np.abs(before)) > abs(jump[first]) / 3:
                continue
            start, stop = self.widened(meter, jump, first, end)
            start, stop = max(start, self.block.first_slot), min(stop, self.block.end_slot)
            if start < stop:
                found.append((meter, start, stop))
        return found

    def widened(self, meter: str, jump: Any, first: int, end: int) -> tuple[int, int]:
        factor = float(np.nanmedian(jump[first:end]))
        before = self.level[meter].iloc[first] - jump[first]
        hourly = (_log(self.hours[meter] / self.expected[meter]) - before).to_numpy()
        alike = np.abs(hourly - factor) < abs(factor) / 2
        ours = np.flatnonzero(alike[24 * first : 24 * end])
        start, stop = 24 * first, 24 * end
        if len(ours):
            start, stop = start + min(ours[0], 23), stop - min(stop - start - 1 - ours[-1], 23)
        while start > max(0, 24 * first - 24) and alike[start - 1]:
            start -= 1
        while stop < min(len(alike), 24 * end + 24) and alike[stop]:
            stop += 1
        offset = (self.level.index[0] - self.block.origin).days * SLOTS_A_DAY
        return offset + start * SLOTS_AN_HOUR, offset + stop * SLOTS_AN_HOUR


def is_odd(jump: float, spread: float) -> bool:
    """One day of one meter: a known factor in kept shape, or a big one."""
    size = abs(jump)
    near = np.abs(size - np.log(np.array(list(FACTORS)))).min() <= np.log(1.25)
    is_known_unit = size >= np.log(2.5) and near and spread <= np.log(1.3)
    return bool(is_known_unit or (size >= np.log(6.0) and spread <= max(np.log(2.0), 0.4 * size)))


def _log(ratio: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(ratio)
    return logs.where(np.isfinite(logs))
