"""The fifth grade of evidence: did an independent meter move as the command said it would?

Pure: what a meter showed around a change, what was expected of it, and what else of ours moved meanwhile. The site
file names the meter (`proven_by`); a device's own reading says what to expect and never proves it (dispatch.md B.3).

A site's `Proofs` are told every reading (`add`) and every change of a set-point before it is written (`begin`; reverts
too, they move the meter as well), and asked for an `answer` until they have one.
"""

import math
import re
import statistics
from collections import deque
from collections.abc import Callable
from typing import Literal

from controls.safety.interlocks.plausibility import wrong_way
from controls.safety.live_meters import live_meters
from controls.templates.load_templates import Template, load_template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Asset, Site

# Of the rating: what an instrument of class 1 and a rounding inverter may differ by together.
TOLERANCE_SHARE = 0.05
# Of the noise of the minute before: other loads behind the meter.
NOISE_SIGMAS = 3.0
# The minute whose mean and noise are what stood before.
BEFORE_S = 60.0
# Three readings of the agent's five seconds.
AFTER_S = 15.0
MIN_READINGS = 3
# Two readings: a step is clear of both windows in at least one look.
STEP_S = 10.0
# An answer comes this long after the settling time at the latest, whatever the meter did not say.
ANSWER_S = 60.0
# Longer than any settling time with its minutes around it: what is older explains nothing any more.
KEEP_S = 900.0
READING = "read_power_kw"
METER_KIND = "grid_meter"
# Half a watt: below it, sums of the same powers in another order are the same sum.
_SAME_KW = 0.0005


class MeterResponse(Model):
    """Response of the meter, kW, import positive. moved: as expected; not: otherwise; undecided: nobody can tell."""

    outcome: Literal["moved", "not", "undecided"]
    before_kw: float | None = None
    after_kw: float | None = None
    expected_kw: float | None = None
    allowed_kw: float | None = None
    reason: str


_NO_METER = MeterResponse(outcome="undecided", reason="no independent meter measures this device")


class Expectation(Model):
    """Expected effect of a set-point on the import, kW. change_kw: None where nobody can say.

    is_at_least: the device may go further than asked, as a load under a limit may.
    """

    change_kw: float | None
    rating_kw: float = 0.0
    is_at_least: bool = False
    reason: str = ""


def meters_of(site: Site, load: Callable[[str], Template] = load_template) -> dict[str, Asset]:
    """The meter that proves each device: the one its asset names, else the site's only grid meter. By device.

    A device without either has no fifth grade. Raises BadInput where what is named measures no power, or takes
    set-points itself.
    """
    by_name, live = {asset.asset_id: asset for asset in site.assets}, live_meters(site)
    at_grid = [each for each in site.assets if each.kind == METER_KIND and (each.template or each.asset_id in live)]
    found = {}
    for asset in site.assets:
        meter = by_name[asset.proven_by] if asset.proven_by else at_grid[0] if len(at_grid) == 1 else None
        if meter is None or meter is asset or not asset.template:
            continue
        template = load(meter.template) if meter.template else None
        is_read = template is not None and not template.settable and READING in template.capabilities
        if not is_read and meter.asset_id not in live:
            raise BadInput(
                f"site {site.site_id}, asset {asset.asset_id!r}: {meter.asset_id!r} is no meter of its own; "
                f"expected an asset whose template has {READING} and takes no set-point, or one without a template "
                "whose meter's power a live source reports",
                reason="bad_asset",
            )
        found[asset.asset_id] = meter
    return found


def power_kw(asset: Asset, template: Template, capability: str, value: float) -> float | None:
    """The power that a set-point asks for, kW; None where template and site file do not say.

    A contact switches what the site file states of it: `relays_kw`, by the number in the capability's name, or
    `power_kw` of an asset with one contact. Amperes are per phase, of the asset's `phases` (1) at `volts` (230).
    """
    unit, numbers = template.capability(capability).unit, asset.numbers
    if unit == "kw":
        return value
    if unit == "w":
        return value / 1000.0
    if unit == "a":
        return value * numbers.get("volts", 230.0) * numbers.get("phases", 1.0) / 1000.0
    if unit == "state":
        relays, number = asset.params.get("relays_kw"), re.search(r"\d+", capability)
        if isinstance(relays, list) and number is not None and 0 < int(number[0]) <= len(relays):
            rated = relays[int(number[0]) - 1]
            return value * float(rated) if isinstance(rated, int | float) else None
        return value * numbers["power_kw"] if "power_kw" in numbers else None
    return None


def expected(
    asset: Asset, template: Template, capability: str, *, before: float, value: float, own_kw: float | None = None
) -> Expectation:
    """Expected change at the meter from set-point `before` to `value`, by the template's `effect`.

    own_kw: the device's own power before the change, as it states it: the power that can be limited, and that a
    device that did not follow its last set-point must still do; without it a limit has no expectation.
    """
    place = template.capability(capability)
    if place.effect == "none":
        return Expectation(change_kw=0.0 if before == value else None, reason=f"no meter shows {capability}")
    was_kw, will_kw = (power_kw(asset, template, capability, each) for each in (before, value))
    low, high = (power_kw(asset, template, capability, each) for each in template.limits(capability))
    if was_kw is None or will_kw is None or low is None or high is None:
        return Expectation(change_kw=None, reason=f"nothing says how many kW {capability} of {place.unit} are")
    rating_kw = max(abs(low), abs(high))
    if place.effect == "power":
        # Only where it is this capability's power alone: one reading for sixteen contacts tells nothing of one.
        now_kw = own_kw if own_kw is not None and len(template.settable) == 1 else was_kw
        return Expectation(change_kw=will_kw - now_kw, rating_kw=rating_kw)
    if own_kw is None:
        return Expectation(change_kw=None, rating_kw=rating_kw, reason="a limit, and the device states no power")
    too_much_kw = abs(own_kw) - will_kw
    if too_much_kw > 0:
        # Less production is more import.
        change_kw = too_much_kw if asset.kind == "pv" else -too_much_kw
        return Expectation(change_kw=change_kw, rating_kw=rating_kw, is_at_least=True)
    # What the old limit held back comes now, or does not: the weather decides, or the car.
    was_held = will_kw > was_kw and abs(own_kw) >= was_kw - TOLERANCE_SHARE * rating_kw
    return Expectation(
        change_kw=None if was_held else 0.0, rating_kw=rating_kw, reason=f"{abs(own_kw):g} kW are below the limit"
    )


def judge(
    *,
    before_kw: float,
    after_kw: float,
    expected_kw: float,
    rating_kw: float,
    noise_kw: float,
    others_kw: tuple[float, ...] = (),
    is_at_least: bool = False,
) -> MeterResponse:
    """Compare a meter's change with the expected one; undecided where noise or another command of ours hides it.

    noise_kw: standard deviation of the meter's last minute before the command. others_kw: what else of ours was to
    move it meanwhile. Each of those may have failed as well, so every sum of them is tried, with this command and
    without: it moved if only sums with it fit, it did not if none of those fits.
    """
    allowed_kw = max(TOLERANCE_SHARE * rating_kw, NOISE_SIGMAS * noise_kw)
    facts = {"before_kw": before_kw, "after_kw": after_kw, "expected_kw": expected_kw, "allowed_kw": allowed_kw}
    change_kw = after_kw - before_kw
    if abs(expected_kw) <= allowed_kw:
        text = f"a change of {expected_kw:g} kW is less than this meter can resolve ({allowed_kw:g} kW)"
        return MeterResponse(outcome="undecided", reason=text, **facts)
    rests = [change_kw - each for each in _sums(others_kw)]
    # Beyond the expectation counts as reached only where the device may go further than commanded.
    signed = [(rest - expected_kw) * (1 if expected_kw > 0 else -1) for rest in rests]
    fits_with = any(-allowed_kw <= each and (is_at_least or each <= allowed_kw) for each in signed)
    fits_without = any(abs(rest) <= allowed_kw for rest in rests)
    others = f" beside {len(others_kw)} others of ours" if others_kw else ""
    text = f"the meter moved by {change_kw:.3g} kW, expected {expected_kw:.3g} kW{others} within {allowed_kw:.3g} kW"
    if fits_with and fits_without:
        return MeterResponse(outcome="undecided", reason=f"{text}: it would fit without this one as well", **facts)
    return MeterResponse(outcome="moved" if fits_with else "not", reason=text, **facts)


def _sums(parts_kw: tuple[float, ...]) -> list[float]:
    """Every sum of some of the parts, nearly equal ones once: sixteen relays of 1 kW have 17 sums, not 65,536."""
    sums = {0: 0.0}
    for part in parts_kw:
        sums |= {round((each + part) / _SAME_KW): each + part for each in sums.values()}
    return list(sums.values())


class _Change(Model):
    """One set-point of ours: when it went out, by when it shows, what it should do. Times are monotonic."""

    key: str
    at_s: float
    settled_s: float
    expectation: Expectation


class MeterWatch:
    """One meter: its readings, and what of ours should have moved it."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, float]] = deque()
        self._changes: deque[_Change] = deque()

    def add(self, now_s: float, kw: float) -> None:
        """Remember a reading, kW, import positive; what is no number is none."""
        if not math.isfinite(kw):
            return
        self._readings.append((now_s, kw))
        while self._readings[0][0] < now_s - KEEP_S:
            self._readings.popleft()
        while self._changes and self._changes[0].at_s < now_s - KEEP_S:
            self._changes.popleft()

    def begin(self, key: str, now_s: float, expectation: Expectation, *, settle_s: float) -> None:
        """A set-point goes out now. key: the command's id; a further attempt at it only settles later."""
        first = self._of(key)
        kept = [each for each in self._changes if each is not first]
        change = _Change(key=key, at_s=now_s, settled_s=now_s + settle_s, expectation=expectation)
        if first is not None:
            # The first attempt may have been carried out unheard: what stood before it is what stood before.
            change = first.model_copy(update={"settled_s": change.settled_s})
        self._changes = deque([*kept, change])

    def answer(self, key: str, now_s: float) -> MeterResponse | None:
        """Response of the meter to a set-point; None while it is too early. Never later than settle_s + 60 s."""
        mine = self._of(key)
        if mine is None:
            return MeterResponse(outcome="undecided", reason="the agent did not see it begin")
        if mine.expectation.change_kw is None:
            return MeterResponse(outcome="undecided", reason=mine.expectation.reason)
        together = self._together(mine)
        begun_s, settled_s = min(each.at_s for each in together), max(each.settled_s for each in together)
        until_s = mine.settled_s + ANSWER_S
        after = self._window(settled_s, settled_s + AFTER_S)
        if now_s < until_s and (now_s < settled_s + AFTER_S or len(after) < MIN_READINGS):
            return None
        # What settled within the minute before is over: only what stood after it counts.
        calm_s = max([each.settled_s for each in self._changes if each.settled_s <= begun_s], default=0.0)
        before = self._window(max(begun_s - BEFORE_S, calm_s), begun_s)
        if len(before) < MIN_READINGS or not after:
            when = "before the command" if after else "after it"
            return MeterResponse(outcome="undecided", reason=f"the meter gave too few readings {when}")
        others = [each.expectation for each in together if each is not mine]
        unknown = [each.reason for each in others if each.change_kw is None]
        if unknown:
            reason = f"another command of ours moved it meanwhile, by an unknown amount: {unknown[0]}"
            return MeterResponse(outcome="undecided", reason=reason)
        return judge(
            before_kw=statistics.fmean(before),
            after_kw=statistics.fmean(after),
            expected_kw=mine.expectation.change_kw,
            rating_kw=mine.expectation.rating_kw,
            noise_kw=statistics.stdev(before),
            others_kw=tuple(each.change_kw for each in others if each.change_kw),
            is_at_least=mine.expectation.is_at_least,
        )

    def went_back(self, key: str, now_s: float) -> MeterResponse | None:
        """After it moved: `not` where the meter since made a step back of the command's size, else None.

        A load beside it can look the same on a meter at the grid, so this is a reason to look, not to latch. While
        another set-point of ours is on its way nothing is said.
        """
        mine = self._of(key)
        if mine is None or mine.expectation.change_kw is None:
            return None
        recent_s = now_s - AFTER_S
        # A step in between would count half in either window.
        calm_s = max(mine.settled_s, recent_s - STEP_S - BEFORE_S)
        if any(each is not mine and each.settled_s + AFTER_S > calm_s for each in self._changes):
            return None
        before, after = self._window(calm_s, recent_s - STEP_S), self._window(recent_s, now_s)
        if min(len(before), len(after)) < MIN_READINGS:
            return None
        judged = judge(
            before_kw=statistics.fmean(before),
            after_kw=statistics.fmean(after),
            expected_kw=-mine.expectation.change_kw,
            rating_kw=mine.expectation.rating_kw,
            noise_kw=statistics.stdev(before),
        )
        if judged.outcome != "moved":
            return None
        return judged.model_copy(update={"outcome": "not", "reason": f"it went back: {judged.reason}"})

    def wrong_way(self, key: str, now_s: float) -> tuple[float, float] | None:
        """For how long, seconds, and by how much, kW, it has shown the opposite (I14); None where nobody can tell."""
        mine = self._of(key)
        if mine is None or mine.expectation.change_kw is None or len(self._together(mine)) > 1:
            return None
        before = self._window(mine.at_s - BEFORE_S, mine.at_s)
        if len(before) < MIN_READINGS:
            return None
        return wrong_way(
            [(at_s, kw) for at_s, kw in self._readings if mine.settled_s <= at_s <= now_s],
            before_kw=statistics.fmean(before),
            expected_kw=mine.expectation.change_kw,
            rating_kw=mine.expectation.rating_kw,
        )

    def _window(self, from_s: float, until_s: float) -> list[float]:
        return [kw for at_s, kw in self._readings if from_s <= at_s <= until_s]

    def _of(self, key: str) -> _Change | None:
        return next((each for each in self._changes if each.key == key), None)

    def _together(self, mine: _Change) -> list[_Change]:
        """The set-points that cannot be told apart from this one by time: each begins before another has settled."""
        together, left = [mine], [each for each in self._changes if each is not mine]
        while near := [each for each in left if any(_meet(each, other) for other in together)]:
            together += near
            left = [each for each in left if each not in near]
        return together


def _meet(one: _Change, other: _Change) -> bool:
    """True where one begins before the other has settled and been read."""
    return one.at_s < other.settled_s + AFTER_S and other.at_s < one.settled_s + AFTER_S


class Proofs:
    """The meters of a site and the set-points that they are to prove; devices without a meter are never decided."""

    def __init__(self, site: Site, load: Callable[[str], Template] = load_template) -> None:
        """Raises BadInput where an asset names what is no meter."""
        self.meters = meters_of(site, load)
        self._named = {asset.asset_id for asset in site.assets if asset.proven_by}
        self._watches = {meter.asset_id: MeterWatch() for meter in self.meters.values()}

    def add(self, asset_id: str, now_s: float, kw: float) -> None:
        """A meter was read; other assets are of no interest."""
        if asset_id in self._watches:
            self._watches[asset_id].add(now_s, kw)

    def begin(
        self,
        asset: Asset,
        template: Template,
        capability: str,
        *,
        key: str,
        now_s: float,
        before: float | None,
        value: float,
        own_kw: float | None = None,
    ) -> None:
        """A set-point of a device goes out now. before: what stood there as last read; see `expected`."""
        watch = self._watch(asset.asset_id)
        if watch is None:
            return
        expectation = Expectation(change_kw=None, reason="the value before is not known")
        if before is not None:
            expectation = expected(asset, template, capability, before=before, value=value, own_kw=own_kw)
        watch.begin(key, now_s, expectation, settle_s=template.capability(capability).settle_s)

    def answer(self, device_id: str, key: str, now_s: float) -> MeterResponse | None:
        """Response of the device's meter to a set-point; None while it is too early."""
        watch = self._watch(device_id)
        return _NO_METER if watch is None else watch.answer(key, now_s)

    def went_back(self, device_id: str, key: str, now_s: float) -> MeterResponse | None:
        """After it moved: an answer where the meter made a step back, else None."""
        watch = self._watch(device_id)
        return None if watch is None else watch.went_back(key, now_s)

    def wrong_way(self, device_id: str, key: str, now_s: float) -> tuple[float | None, float | None]:
        """Of a meter that the device's asset names; at the grid, what others do would look the same."""
        watch = self._watch(device_id) if device_id in self._named else None
        return (None if watch is None else watch.wrong_way(key, now_s)) or (None, None)

    def _watch(self, device_id: str) -> MeterWatch | None:
        meter = self.meters.get(device_id)
        return None if meter is None else self._watches[meter.asset_id]
