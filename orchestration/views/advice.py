"""Recommendations of an opened project: runs, rows of lists, acceptance and measuring."""

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from assets.kpi.running_cost.interval_costs import main_meters
from assets.stores.ledgers.recommendations import Recommendations
from assets.stores.ledgers.work_orders import WorkOrders
from data_quality.contracts.access.permissions import Permission, expect
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Person
from data_quality.contracts.reporting.recommendation import (
    MeasuredSaving,
    Recommendation,
)
from data_quality.contracts.reporting.work_order import WorkOrder
from data_quality.contracts.sentence import parts_of
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Clock, Period, local_day, months_after
from orchestration.views.advice_made import peer_comparison, recommendation
from orchestration.views.advice_order import draw
from orchestration.views.advice_wording import worded
from reports.advice_words import scope_name, title_of
from reports.figure_book import FigureBook
from reports.recompute.advice import advice_of, inputs_of
from reports.recompute.figure_sources import Sources
from reports.texts.locales import page_word

if TYPE_CHECKING:
    from ml.tracking import MlflowTracker
    from orchestration.open_project import OpenProject

_MONTHS_MEASURED = 12


def run(project: "OpenProject", site: Site, period: Period, clock: Clock, *, sources: Sources) -> list[Recommendation]:
    """Recommendations of a period, recorded where they are new; those that people acted on stay as they are.

    Raises BadInput for tariffs that overlap.
    """
    as_of_utc = project.store.known_at(clock)
    made = advice_of(sources, site, period, as_of_utc)
    given = (period, made.estimated_share)
    book = FigureBook(
        report_id=f"advice/{site.site_id}/{period.start}/{period.end}", revision=0, as_of_utc=as_of_utc,
        is_synthetic=made.is_synthetic,
    )  # fmt: skip
    inputs = inputs_of(sources, site, period, as_of_utc)
    peers, others = peer_comparison(site, period, sources, book) if made.advice else ((), ())
    wanted = [recommendation(site, each, *given, book, inputs, peers) for each in made.advice]
    with project.store.together():
        # Tariffs and costs of the site file may change: its figures are recomputed with those of now.
        for each in (site, *others):
            project.keep_site(each, clock)
        draw(project.store, wanted, clock)
        return Recommendations(project.store).add(wanted, clock)


def row(site: Site, of: Recommendation, locale: str) -> dict[str, Any]:
    """A recommendation by the keys of its JSON."""
    measured = of.measured
    return {
        "id": of.recommendation_id, "site": of.site_id, "kind": of.kind, "scope": of.scope, "status": of.status,
        "start": of.start, "end": of.end, "savings_kwh": of.savings_kwh, "interval_kwh": of.interval_kwh,
        "savings_money": of.savings_money, "interval_money": of.interval_money, "currency": of.currency,
        "savings_kgco2e": of.savings_kgco2e, "interval_kgco2e": of.interval_kgco2e, "cost_money": of.cost_money,
        "interval_cost": of.interval_cost,
        "cost_source": of.cost_source, "payback_months": of.payback_months, "interval_months": of.interval_months,
        "difficulty": of.difficulty, "confidence": of.confidence, "confidence_label": of.confidence_label,
        "sentences": worded(site, of, locale), "workflow": of.workflow, "is_synthetic": of.is_synthetic,
        "estimated_share": of.estimated_share, "due": of.due, "order": of.order_id or None,
        "baseline": of.baseline or None, "person": of.person_id, "reason": of.reason,
        "measured": measured and {
            **measured.model_dump(), "estimated_kwh": _of_days(of, of.savings_kwh, measured.days),
            "interval_estimated_kwh": [_of_days(of, each, measured.days) for each in of.interval_kwh],
        },
    }  # fmt: skip


def _of_days(of: Recommendation, kwh: Decimal, days: int) -> float:
    """The estimate's part of so many days, each like the others of its period."""
    return round(float(kwh) * days / (of.end - of.start).days, 3)


def accept(
    project: "OpenProject", of: Recommendation, clock: Clock, *, person: Person, reason: str, tracker: "MlflowTracker"
) -> tuple[Recommendation, Finding | None]:
    """The accepted recommendation with its work order and the M&V baseline, fitted before anything is changed.

    A Finding where no baseline can be fitted, or none is needed: its saving is of a bill. Raises BadInput for who may
    not, without a reason, and for one that is accepted already.
    """
    from ml.baselines.savings.project_baseline import fit_project

    expect(person, Permission.AI_ACCEPT)
    site = project.site(of.site_id)
    today = local_day(clock.now_utc(), site.time_zone)
    fitted: Any = Finding(code="saving_of_a_bill", message="It saves no energy: bills show it.", severity="info")
    if of.savings_kwh > 0:
        fitted = fit_project(
            site, project_for(site, of, today, today), lake=project.lake, store=project.baselines, tracker=tracker,
            clock=clock, fitted_by=person.person_id,
        )  # fmt: skip
    store = project.store
    with store.together():
        use, title = _use_of(site, of), title_of(of, scope_name(site, of.scope))
        order = WorkOrders(store).create(
            WorkOrder(
                order_id="", site_id=of.site_id, priority="P3",
                title=page_word(title, site.locale)[:200], title_parts=parts_of(title),
                source_kind="recommendation",
                source_id=f"{use.seu_id}/{of.recommendation_id}"[:64] if use else of.recommendation_id,
                figure_ids=tuple(each.figure_id for each in of.figures), person_id=person.person_id,
                reason=reason.strip() or "accepted",
            ), clock,
        )  # fmt: skip
        baseline = "" if isinstance(fitted, Finding) else f"{fitted.baseline_id}@{fitted.version}"
        after = Recommendations(store).move(
            of, "accepted", clock, person_id=person.person_id, reason=reason, order_id=order.order_id,
            baseline=baseline, due=today,
        )  # fmt: skip
    return after, fitted if isinstance(fitted, Finding) else None


def _use_of(site: Site, of: Recommendation) -> Seu | None:
    """The use that has the recommendation's meter alone, or the first that has it; None of a whole site."""
    meter = of.scope.partition(":")[2]
    found = [seu for seu in site.seus if meter in seu.meters and not seu.is_aggregate]
    return min(found, key=lambda seu: len(seu.meters), default=None)


def project_for(site: Site, of: Recommendation, accepted: date, done: date) -> MvProject:
    """The M&V project of a recommendation: its meter, or the whole site, against the twelve months before."""
    kind, _, name = of.scope.partition(":")
    meters = (name,) if kind == "meter" else main_meters(site)
    use = next((seu for seu in site.seus if set(meters) & set(seu.meters)), None)
    drivers = tuple(each.driver_id for each in use.drivers) if use else ()
    return MvProject(
        project_id=of.project_id, name=f"{of.kind} {of.scope}",
        option="B" if kind == "meter" else "C", boundary=f"meters {', '.join(meters)}", meters=meters,
        drivers=drivers, day_types=True,
        installation_start=accepted, installation_end=done, reporting_end=months_after(done, _MONTHS_MEASURED),
    )  # fmt: skip


def measure(
    project: "OpenProject",
    of: Recommendation,
    clock: Clock,
    *,
    person: Person,
    reason: str,
    first: date | None = None,
) -> Recommendation:
    """The recommendation with what was saved since its work order was done, by the baseline of its acceptance.

    first: local day from which the saving counts; the day after the work order was closed, where none is given.
    Raises BadInput for who may not, one without a baseline (no_baseline), a work order that is open (not_done), and
    where no day can be compared yet (no_comparison), or begins
    before the acceptance (bad_period).
    """
    from assets.kpi.claims.mv_savings import project_savings

    expect(person, Permission.MV_RUN)
    if not of.baseline:
        raise BadInput(f"recommendation {of.recommendation_id} has no baseline to measure by", reason="no_baseline")
    site, orders = project.site(of.site_id), WorkOrders(project.store)
    order = orders.named(of.order_id, of.site_id)
    if order.state != "done" or order.recorded_at_utc is None:
        mend = f"meterloom orders close {order.order_id}"
        raise BadInput(f"work order {order.order_id} is {order.state}, not done", reason="not_done", mend=mend)
    finished = first or local_day(order.recorded_at_utc, site.time_zone) + timedelta(days=1)
    baseline_id, _, version = of.baseline.rpartition("@")
    assert of.due is not None  # noqa: S101 - set when it was accepted
    if finished <= of.due:
        raise BadInput(f"it was accepted on {of.due}: the saving begins after it", reason="bad_period")
    # What others of them save at the same meters is not claimed once more.
    others = (
        project_for(site, each, each.due, each.measured.start if each.measured else each.due)
        for each in Recommendations(project.store).current(site.site_id)
        if each.baseline and each.due and each.recommendation_id != of.recommendation_id and each.status != "dismissed"
    )
    found = project_savings(
        site.model_copy(update={"projects": (*site.projects, *others)}), project_for(site, of, of.due, finished),
        project.baselines.get(baseline_id, int(version)), lake=project.lake, now_utc=clock.now_utc(),
    )  # fmt: skip
    if isinstance(found, Finding):
        raise BadInput(found.message, reason=found.code)
    band = found.interval_kwh
    measured = MeasuredSaving(
        start=found.start, end=found.end, days=found.compared_days, savings_kwh=found.savings_kwh,
        interval_kwh=None if band is None else (Decimal(repr(band[0])), Decimal(repr(band[1]))), baseline=of.baseline,
        claimed_kwh=found.claimed_kwh, findings=found.findings,
    )  # fmt: skip
    ledger, act = Recommendations(project.store), {"person_id": person.person_id, "reason": reason}
    with project.store.together():
        if of.status == "accepted":
            of = ledger.move(of, "done", clock, **act)
        return ledger.move(of, "measured", clock, measured=measured, **act)
