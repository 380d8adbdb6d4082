"""Record of a run of advice: recommendations with their sentences and figures, and the site's place among peers."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from assets.advice.advise import COST_OUTDATED, Advice
from assets.advice.catalogue import catalogue
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.reporting.recommendation import (
    AdvicePlace,
    AdviceSentence,
    Recommendation,
    recommendation_id_of,
)
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, months_after
from reports.datasets.base import Item, ReportInput, put
from reports.datasets.benchmark import BenchmarkData
from reports.figure_book import FigureBook
from reports.recompute.advice import exact
from reports.recompute.figure_sources import Sources

_SAVINGS = {
    "savings_kwh": "It saves {0} (between {1} and {2})",
    "savings_money": "Money by the tariff: {0} (between {1} and {2})",
    "savings_kgco2e": "Emissions: {0} (between {1} and {2})",
}
# Of the place of the site among its peers: figures, and the sentence that quotes them.
_PEERS, _WORST_QUARTER, _PLACE = "benchmark", Decimal(75), ("peers", "rank", "rank_low", "rank_high")
_AMONG_MOST = (
    "Of {0} like sites of the organisation this is among the quarter that takes the most electricity per floor area: "
    "rank {1}, between {2} and {3}",
    _PLACE,
)


def peer_comparison(
    site: Site, period: Period, sources: Sources, book: FigureBook
) -> tuple[tuple[Figure, ...], Sequence[Site]]:
    """The site's place as figures, and the sites behind them, where it is in the quarter of its peers that takes the
    most in a year; else none.
    """
    given = ReportInput(site=site, period=period, as_of_utc=book.as_of_utc, sources=sources, versions={})
    peers, item = BenchmarkData(given), Item(site.site_id, site.name, given.scope, period)
    percentile = peers.leaf("percentile", item).value if months_after(period.start, 12) == period.end else None
    # Beside simulated peers nothing is said of a real site.
    if percentile is None or percentile < _WORST_QUARTER or peers.is_synthetic > book.is_synthetic:
        return (), ()
    measures = {name: peers.measures[name] for name in _PLACE}
    figures = tuple(
        put(book, f"{_PEERS}/{given.scope}/{name}", peers.leaf(name, item), item, label=each.label, kpi=name,
            unit=each.unit)
        for name, each in measures.items()
    )  # fmt: skip
    return figures, peers.peers


def recommendation(
    site: Site, advice: Advice, period: Period, share: float, book: FigureBook, inputs: Sequence[Any],
    peers: tuple[Figure, ...],
) -> Recommendation:  # fmt: skip
    """The advice of a period as it is recorded. share: of estimated readings; inputs: behind each number; peers: of
    `peer_comparison`.
    """
    kind, numbers = catalogue().kinds[advice.kind], dict(advice.numbers)
    where = {"site": site.site_id, "start": str(period.start), "end": str(period.end)}
    figures = tuple(
        book.add(
            f"{advice.kind}/{advice.scope}/{name}", exact(value), label=name, kpi=f"advice_{name}", scope=advice.scope,
            start=period.start, end=period.end, unit=site.currency if unit == "currency" else unit,
            computation="advice_number", inputs=inputs, estimated_share=share,
            parameters={**where, "kind": advice.kind, "scope": advice.scope, "field": name},
        )
        for name, (value, unit) in numbers.items()
    )  # fmt: skip
    kwh = exact(advice.value("savings_kwh")) or Decimal(0)
    return Recommendation(
        recommendation_id=recommendation_id_of(site.site_id, advice.kind, advice.scope, period.start, period.end),
        site_id=site.site_id, kind=advice.kind, scope=advice.scope, start=period.start, end=period.end,
        savings_kwh=kwh, interval_kwh=_interval(advice, "savings_kwh") or (kwh, kwh),
        savings_money=exact(advice.value("savings_money")), interval_money=_interval(advice, "savings_money"),
        currency=site.currency, savings_kgco2e=exact(advice.value("savings_kgco2e")),
        interval_kgco2e=_interval(advice, "savings_kgco2e"), cost_money=exact(advice.value("cost_money")),
        interval_cost=_interval(advice, "cost_money"), cost_source=advice.texts.get("cost_source", ""),
        payback_months=exact(advice.value("payback_months")), interval_months=_interval(advice, "payback_months"),
        difficulty=kind.difficulty, confidence=advice.confidence, workflow=kind.workflow,
        sentences=_sentences(advice, is_synthetic=book.is_synthetic, has_peers=bool(peers)), figures=(*figures, *peers),
        is_synthetic=book.is_synthetic, estimated_share=share,
    )  # fmt: skip


def _interval(advice: Advice, name: str) -> tuple[Decimal, Decimal] | None:
    low, high = (exact(advice.value(f"{end}_{name}")) for end in ("low", "high"))
    return None if low is None or high is None else (low, high)


def _sentences(advice: Advice, *, is_synthetic: bool, has_peers: bool) -> tuple[AdviceSentence, ...]:
    """Sentences in the order in which people read them; every number in them is a figure's."""
    kind = catalogue().kinds[advice.kind]
    pattern, names = kind.found
    patterns = [(pattern, names)]
    for name, saved in _SAVINGS.items():
        if advice.value(name):
            patterns.append((saved, (name, f"low_{name}", f"high_{name}")))
    if advice.value("savings_money") is None:
        patterns.append(("No price is known for all of these hours: the money is not known", ()))
    cost, payback = (
        (name, f"low_{name}", f"high_{name}") if advice.value(name) is not None else ()
        for name in ("cost_money", "payback_months")
    )
    if advice.texts.get(COST_OUTDATED):
        patterns.append(("The cost that was stated holds no longer: there is no payback", ()))
    elif not cost:
        patterns.append(("The cost is not known: there is no payback", ()))
    elif not payback:
        patterns.append(("It costs {0} (between {1} and {2})", cost))
    else:
        patterns.append(
            ("It costs {0} (between {1} and {2}) and pays back in {3} months (between {4} and {5})", cost + payback)
        )
    if cost:
        patterns.append(("Source of the cost: {0}", ("cost_source",)))
    patterns.append((kind.fails, ()))
    if has_peers:
        patterns.append(_AMONG_MOST)
    if is_synthetic:
        patterns.append(("Readings behind it are simulated: nothing of it may be published", ()))
    return tuple(
        AdviceSentence(
            pattern=pattern,
            places=tuple(
                AdvicePlace(text=advice.texts[name]) if name in advice.texts else AdvicePlace(figure=name)
                for name in names
            ),
        )
        for pattern, names in patterns
    )  # fmt: skip
