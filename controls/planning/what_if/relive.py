"""A year of a site replayed: the present configuration and its variants, by the planner and the bill engine."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from assets.stores.lake.lake import Lake
from assets.tariffs.periods import example_prices, tariffs_of
from controls.optimiser.devices.kinds import device_assets
from controls.planning.plan_inputs import STEP
from controls.planning.trial import TrialRun, cost_by_day, running_bill
from controls.planning.trial_inputs import TrialInputs
from controls.planning.what_if.bands import (
    MONTHS,
    figures_of,
    month_draws,
    over_paths,
    path_paybacks,
    payback_interval,
    yearly,
)
from controls.planning.what_if.relived_inputs import SYNTHETIC_SHARE, Relived, relived_inputs, with_variant
from controls.planning.what_if.variants import Variant, is_more, price_of
from data_quality.contracts.control.what_if import FIGURES, Price, PricePath, WhatIfMonth, WhatIfResult, WhatIfVariant
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES

# The cheaper of them over the whole span runs a configuration; one without a store has nothing to plan.
POLICIES = ("self_consumption", "deterministic")
NOTHING_MOVES, LEFT_IDLE = "nothing_moves", "left_idle"
_HOURS = CANONICAL_MINUTES / 60


class _Lived(NamedTuple):
    """A configuration replayed: bill and kgCO2e by month. finding: of plans that are not proven."""

    policy: str
    cost: np.ndarray
    kgco2e: np.ndarray | None
    finding: Finding | None = None


def what_if(
    site: Site,
    lake: Lake,
    variants: Sequence[Variant],
    *,
    start: date,
    end: date,
    today: date,
    seed: int = 1,
    paths: Sequence[PricePath] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> WhatIfResult | Finding:
    """The variants over the local days [start, end), whole years of calendar months; or why they cannot be replayed.

    today: on which a cost that the site states has to hold; paths: of prices, for paybacks by each.

    Raises BadInput for a span that is none, and for a variant that the site has no data for.
    """
    months = _months(start, end)
    known = relived_inputs(site, lake, start, end)
    if isinstance(known, Finding):
        return known
    changed = {each.name: with_variant(known, each) for each in variants}
    if len(changed) < len(variants):
        raise BadInput("two variants have one name; expected different ones", reason="bad_arguments")
    base = _lived(known.trial, months, "as it is", progress)
    if isinstance(base, Finding):
        return base
    found, lived = [], [base]
    for variant in variants:
        other = _lived(changed[variant.name], months, variant.name, progress)
        if isinstance(other, Finding):
            return other.model_copy(update={"message": f"{variant.name}: {other.message}"})
        if is_more(variant, site) and base.cost.sum() < other.cost.sum():
            # Nobody has to use what is more than there was.
            other = base._replace(policy=LEFT_IDLE)
        lived.append(other)
        price = price_of(variant, site, today)
        found.append(_priced(variant, price, months, seed, base, other, paths))
    notes = [note for each in changed.values() for note in each.assumptions]
    unproven = {each.finding.message: each.finding for each in lived if each.finding}.values()
    return WhatIfResult(
        site_id=site.site_id,
        currency=site.currency,
        start=start,
        end=end,
        seed=seed,
        without=yearly(months, base.cost),
        without_interval=month_draws(months, seed)(base.cost),
        billed=_billed(known, months),
        policy=base.policy,
        variants=tuple(found),
        synthetic_share=known.synthetic_share,
        readings_sha256=known.readings_sha256,
        assumptions=tuple(dict.fromkeys([*known.trial.assumptions, *notes])),
        findings=(*known.trial.findings, *_synthetic(site, known), *_made_up(site, variants), *unproven),
    )


def _made_up(site: Site, variants: Sequence[Variant]) -> list[Finding]:
    """Tariffs with example prices, the site's or tried ones."""
    every = [*tariffs_of(site), *(each for variant in variants for each in variant.tariffs or ())]
    found = [example_prices(each) for each in every if each.prices == "example"]
    return list({each.message: each for each in found}.values())


def _priced(
    variant: Variant,
    price: Price | None,
    months: Sequence[date],
    seed: int,
    base: _Lived,
    other: _Lived,
    paths: Sequence[PricePath],
) -> WhatIfVariant:
    rows = tuple(
        WhatIfMonth(
            month=month,
            cost=float(other.cost[k]),
            without=float(base.cost[k]),
            kgco2e=None if other.kgco2e is None else float(other.kgco2e[k]),
            kgco2e_without=None if base.kgco2e is None else float(base.kgco2e[k]),
        )
        for k, month in enumerate(months)
    )
    figures, band = figures_of(rows, price, seed=seed), month_draws(months, seed)
    saved = band(base.cost - other.cost)
    by_path = path_paybacks(price, figures["saving"] or 0.0, saved, paths)
    return WhatIfVariant(
        name=variant.name,
        **{name: figures[name] for name in FIGURES if not name.endswith(("_low", "_high"))},
        interval=saved,
        cost_interval=band(other.cost),
        saving_kgco2e_interval=(
            None if base.kgco2e is None or other.kgco2e is None else band(base.kgco2e - other.kgco2e)
        ),
        changes=variant.changes,
        price=price,
        payback_interval=payback_interval(price, saved),
        paths=by_path,
        payback_over_paths=over_paths(by_path),
        policy=other.policy,
        months=rows,
    )


def _lived(inputs: TrialInputs, months: Sequence[date], name: str, progress: Callable[[str], None]) -> _Lived | Finding:
    """The configuration by the cheaper policy."""
    kinds = [kind for _, kind in device_assets(inputs.site)]
    if not kinds:
        start, end = inputs.span(inputs.days[0])[0], inputs.span(inputs.days[-1])[1]
        kwh = [inputs.load_kw[start + k * STEP] * _HOURS for k in range((end - start) // STEP)]
        run = TrialRun(inputs, NOTHING_MOVES, used=[(max(each, 0.0), max(-each, 0.0)) for each in kwh])
        return _Lived(run.name, _by_month(cost_by_day(inputs, run.bill), months), _kgco2e(run, months))
    found = []
    for policy in POLICIES if any(kind.measure for kind in kinds) else POLICIES[:1]:
        progress(f"{name}: {policy}, {len(inputs.days)} days")
        run = TrialRun(inputs, policy)
        if fault := run.go_through():
            return fault
        by_month = _by_month(cost_by_day(inputs, run.bill), months)
        found.append(_Lived(policy, by_month, _kgco2e(run, months), run.not_proven()))
    return min(found, key=lambda each: float(each.cost.sum()))


def _by_month(by_day: Mapping[date, float], months: Sequence[date]) -> np.ndarray:
    sums = defaultdict[date, float](float)
    for day, value in by_day.items():
        sums[day.replace(day=1)] += value
    return np.array([sums[month] for month in months])


def _kgco2e(run: TrialRun, months: Sequence[date]) -> np.ndarray | None:
    """Emissions of the import, by the site's factor on each day; None where a day has none."""
    factors = [each for each in run.inputs.site.factors if each.carrier is Carrier.ELECTRICITY]
    emitted, at = dict[date, float](), 0
    for day in run.inputs.days:
        first, after = run.inputs.span(day)
        size = (after - first) // STEP
        bought, at = sum(each for each, _ in run.used[at : at + size]), at + size
        factor = next((each.kgco2e_per_kwh for each in factors if each.valid_from <= day < each.valid_to), None)
        if factor is None:
            return None
        emitted[day] = float(factor) * bought
    return _by_month(emitted, months)


def _billed(known: Relived, months: Sequence[date]) -> float | None:
    """The bill of the supply as it was metered, a mean year; None where quarter hours of it lack."""
    if not known.metered.is_present.all():
        return None
    bill = running_bill(known.trial, known.metered)
    return yearly(months, _by_month(cost_by_day(known.trial, bill), months))


def _synthetic(site: Site, known: Relived) -> tuple[Finding, ...]:
    if known.synthetic_share < SYNTHETIC_SHARE:
        return ()
    message = f"{known.synthetic_share:.0%} of the readings are synthetic: the answer is weaker, and is not published"
    return (Finding(code="synthetic_readings", message=message, scope=site.site_id),)


def _months(start: date, end: date) -> list[date]:
    """The first days of the calendar months. Raises BadInput where they are no whole years of months."""
    found = [date(year, month, 1) for year in range(start.year, end.year + 1) for month in range(1, 13)]
    found = [each for each in found if start <= each < end]
    if start.day != 1 or end.day != 1 or not found or len(found) % MONTHS:
        raise BadInput(f"a what-if takes whole years of calendar months, not {start} to {end}", reason="bad_period")
    return found
