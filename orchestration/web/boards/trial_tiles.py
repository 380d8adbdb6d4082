"""Tiles of what was tried or told apart at a site: what-ifs, the experiment of control, classes of circuits."""

from assets.stores.ledgers.experiments import ExperimentStore
from assets.stores.ledgers.results import Disaggregations, WhatIfs
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.control.what_if import WhatIfVariant
from data_quality.contracts.errors import WorldFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.disaggregation import StoredDisaggregation
from data_quality.contracts.sentence import Sentence, Text
from data_quality.contracts.time import local_day, zone
from orchestration.web.boards.site_now import SiteNow, Tile
from reports.pages.widgets import trials
from reports.recompute.experiment import experiment_at
from reports.texts.locales import day_of_month, format_number, moment, named, period_text


def what_ifs(now: SiteNow) -> trials.Banded:
    """The newest stored result of each variant of the site."""
    ctx, address = now.show.ctx, now.show.address
    stored = WhatIfs(ctx.project.store).of(now.site.site_id, as_of_utc=address.as_of_utc)
    newest = {variant.name: (result, variant) for result in stored for variant in result.variants}
    spans = {named(period_text(result.start, result.end, address.locale)): None for result, _ in newest.values()}
    note = Sentence("Simulated on readings of {0}; devices are simulated.", " · ".join(spans))
    return trials.Banded(
        **_common(now), key="what_ifs", title="Saving a year by what-if", label="Saving a year",
        unit=now.site.currency, x_title="Change", role="saved", is_signed=True, note=note if newest else "",
        bars=tuple(
            trials.Bar(name=named(name), value=each.saving, edges=each.interval, remark=_payback(each, address.locale))
            for name, (_, each) in newest.items()
        ),
    )  # fmt: skip


def circuits(now: SiteNow) -> trials.Banded:
    """Classes of the newest stored disaggregation of each circuit, and what none of them holds."""
    ctx = now.show.ctx
    until = now.show.address.as_of_utc
    newest = {
        each.circuit: each
        for each in Disaggregations(ctx.project.store).of(now.site.site_id)
        if until is None or (each.recorded_at_utc is not None and each.recorded_at_utc <= until)
    }
    names = {meter.meter_id: meter.name or meter.meter_id for meter in now.site.meters}
    bars = [bar for each in newest.values() for bar in _classes(each, names.get(each.circuit, each.circuit))]
    return trials.Banded(
        **_common(now), key="circuits", title="Loads of a circuit, estimated", label="Energy, estimated", unit="kwh",
        x_title="Class of load", bars=tuple(bars), note="Estimated of one meter; no class is measured." if bars else "",
    )  # fmt: skip


def trial(now: SiteNow) -> trials.Trial:
    """The newest experiment of the site with its days so far."""
    site, as_of_utc = now.site, now.show.as_of_utc
    acts = ExperimentStore(now.show.ctx.project.store).acts(site.site_id, as_of_utc=as_of_utc)
    if not acts:
        return trials.Trial(**_common(now))
    state = experiment_at(now.show.sources, site, acts[-1].experiment_id, as_of_utc)
    over = [day for day in state.days if day.end_utc <= state.until_utc]
    costs = {
        arm: tuple(day.cost if day.is_compared and day.arm == arm else None for day in over)
        for arm in ("plan", "habit")
    }
    locale, saving = now.show.address.locale, state.saving
    common = _common(now) | {"currency": site.currency, **costs}
    days = tuple(named(day_of_month(local_day(day.start_utc, site.time_zone), locale)) for day in over)
    if isinstance(saving, Finding):
        return trials.Trial(**common | {"reason": saving.message}, days=days)
    return trials.Trial(**common, days=days, saving=saving.saving, interval=saving.interval, verdict=saving.verdict)


def cost_bounds(now: SiteNow) -> trials.PromisesKept:
    """Hours of the last days that cost more than the plans over scenarios promised."""
    # Only here: a board without plans waits for no solver to be loaded.
    from controls.planning.closed_loop.promise import LOOKED_BACK, covered_hours

    site, project, show = now.site, now.show.ctx.project, now.show
    plan = now.plan
    common = _common(now) | {"currency": site.currency, "days": LOOKED_BACK.days}
    if plan is None or plan.request.uncertain is None:
        why = "the newest plan of this site is not over scenarios"
        return trials.PromisesKept(**common, reason=why, has_promises=False)
    if show.address.as_of_utc is not None:
        return trials.PromisesKept(**common, reason="promises are of now only")
    try:
        hours, found = covered_hours(site, project.lake, project.plans, now_utc=show.as_of_utc)
    except WorldFault as fault:
        return trials.PromisesKept(**common, reason=str(fault))
    here = zone(site.time_zone)
    broken = tuple(
        trials.BrokenPromise(
            when=named(moment(each.start_utc.astimezone(here), show.address.locale)),
            promised=each.promised, paid=each.paid,
        )
        for each in hours
        if each.is_passed
    )  # fmt: skip
    return trials.PromisesKept(
        **common, hours=found.hours, may_share=found.promised_share, most_share=found.high, broken=broken
    )


def _common(now: SiteNow) -> dict[str, object]:
    return {"address": now.show.address, "is_synthetic": now.site.is_simulated}


def _payback(variant: WhatIfVariant, locale: str) -> Text:
    if variant.payback_years is None:
        return "no price known" if variant.price is None else "does not pay back"
    return Sentence("pays back in {0} years", format_number(variant.payback_years, decimals=1, locale=locale))


def _classes(stored: StoredDisaggregation, circuit: str) -> list[trials.Bar]:
    found = [
        trials.Bar(
            name=named(each.name), value=each.kwh, edges=each.interval_kwh,
            remark=Sentence("confidence {0}", Sentence(each.confidence_label)) if each.estimable else "not estimable",
        )
        for each in stored.found.classes
    ]  # fmt: skip
    return [*found, trials.Bar(name=Sentence("rest of {0}", named(circuit)), value=stored.found.rest_kwh)]


P = Permission
TILES = {
    "what_ifs": Tile(P.FORECAST_READ, lambda query: trials.bars(what_ifs(query.site))),
    "experiment": Tile(P.DISPATCH_READ, lambda query: trials.experiment(trial(query.site))),
    "promises": Tile(P.DISPATCH_READ, lambda query: trials.promises(cost_bounds(query.site))),
    "circuits": Tile(P.NILM_READ, lambda query: trials.bars(circuits(query.site))),
}
