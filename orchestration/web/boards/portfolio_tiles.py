"""Tiles of several sites: each site's own number, and their sum where one unit and one method make it a number."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Sentence, sentences
from data_quality.contracts.time import Period
from orchestration.web.boards.board_figures import Show
from orchestration.web.boards.site_now import SiteNow, compared_words, to_compare
from reports.figure_book import FigureBook
from reports.pages.address import Compare, why_of
from reports.pages.widgets.compared_span import Compared
from reports.pages.widgets.tile import TileFigure
from reports.texts.locales import named


class PortfolioSums:
    """Figures made of those of several sites, each with its why; the sites keep their own."""

    def __init__(self, shows: Sequence[Show]) -> None:
        self.shows, first = shows, shows[0]
        self.book = FigureBook(
            report_id=f"page/{first.address.path}/all", revision=0, as_of_utc=first.as_of_utc,
            is_synthetic=any(show.site.is_simulated for show in shows),
        )  # fmt: skip

    def made(self, computation: str, parts: Sequence[Figure], *, kpi: str, unit: str) -> TileFigure | None:
        """Result of a computation on figures of the sites; of one part alone that part; None of none."""
        if not parts:
            return None
        figure = parts[0]
        if len(parts) > 1:
            path = f"{computation}/{kpi}/{'/'.join(each.figure_id for each in parts)}"
            inputs = [("part", each) for each in parts]
            label = f"{kpi} of {len({each.scope for each in parts})} parts"
            figure = self.book.derive(path, computation, inputs, label=label, kpi=kpi, unit=unit)
        return self.shown(figure)

    def shown(self, figure: Figure) -> TileFigure:
        """The figure with the address that explains it."""
        books = [self.book, *(show.book for show in self.shows)]
        known = {each.figure_id: each for book in books for each in book.figures()}
        why = self.shows[0].whys[figure.figure_id] = self.shows[0].whys.get(figure.figure_id) or why_of(
            figure, self.shows[0].address, known.get
        )
        return TileFigure(figure=figure, why=why)


def compared_sites(
    sites: Sequence[SiteNow], kpi: str, period: Period, compare: Compare, *, key: str, title: str
) -> Compared:
    """A KPI that adds up over the sites, each over the period in its own days, beside the one it is compared with.

    Compared are the sites that know both. Sites of several currencies stand side by side.
    """
    known: list[tuple[SiteNow, TileFigure]] = []
    findings: list[Finding] = []
    pairs: dict[str, tuple[Figure, Figure]] = {}
    for now in sites:
        zone = {"time_zone": now.site.time_zone}
        value, gaps = now.show.over(kpi, now.scope, period.model_copy(update=zone))
        findings += gaps
        if value is None or value.figure.value is None:
            pattern = "{0} is not included: no data for {1}"
            message = Sentence(pattern, now.site.name, now.words(period))
            findings.append(Finding(code="site_missing", message=message, scope=now.scope))
            continue
        known.append((now, value))
        both = [
            value if each == period else now.show.over(kpi, now.scope, each.model_copy(update=zone))[0]
            for each in to_compare(now, period, compare) or ()
        ]
        known_both = [each.figure for each in both if each is not None and each.figure.value is not None]
        if len(known_both) == 2:
            pairs[now.site.site_id] = (known_both[0], known_both[1])
    units = sorted({each.figure.unit for _, each in known})
    common = sites[0].common() | {"age": "", "findings": tuple(findings), "link": ""}
    # The one site that is known is named; of several each stands below.
    is_one, period_words = len(known) == 1, sites[0].words(period)
    span = Sentence("{0}, each site's own days", period_words)
    if is_one:
        span = Sentence("{0}: {1}", named(known[0][0].site.name), period_words)
    compared = Compared(
        **common | {"reason": "no data for this period"},
        key=key, title=title, label=Sentence("{0} sites", len(known)), span=span,
        more=() if is_one else tuple((now.site.name, value, "") for now, value in known),
    )  # fmt: skip
    all_ = PortfolioSums([now.show for now in sites])
    if not units:
        return compared
    if len(units) > 1:
        reason = sentences((Sentence("currencies are not added together"), compared.span), ". ")
        others = tuple(_with_changes(all_, kpi, known, pairs))
        return compared.model_copy(update={"reason": reason, "more": others})
    total = all_.made("sum", [each.figure for _, each in known], kpi=kpi, unit=units[0])
    own, past = (all_.made("sum", [each[at] for each in pairs.values()], kpi=kpi, unit=units[0]) for at in (0, 1))
    by_month = [now.show.months(kpi, now.scope, period) for now, _ in known]
    change = None
    if own is not None and past is not None and len(pairs) == len(known):
        change = all_.made("deviation_percent", [own.figure, past.figure], kpi=kpi, unit="percent")
    said = compared_words(sites[0], period, to_compare(known[0][0], period, compare) or ())
    if past is not None and len(pairs) < len(known):
        said["against"] = Sentence("{0}, {1} of {2} sites", said.get("against", ""), len(pairs), len(known))
    found = {"now": total, "before": past, "change": change, **said}
    # A month that one of them does not know is of no sum.
    sums = tuple(None if None in each else sum(filter(None, each)) for each in zip(*by_month, strict=True))
    return compared.model_copy(update=found | {"months": sums})


def _with_changes(
    all_: PortfolioSums,
    kpi: str,
    known: Sequence[tuple[SiteNow, TileFigure]],
    pairs: Mapping[str, tuple[Figure, Figure]],
) -> Iterator[tuple[str, TileFigure | None, str]]:
    """Each site's own value, and how it changed where both spans are known."""
    for now, value in known:
        yield now.site.name, value, ""
        if now.site.site_id in pairs:
            yield "Change", all_.made("deviation_percent", pairs[now.site.site_id], kpi=kpi, unit="percent"), ""


def areas_of(names: Sequence[str], made: Sequence[Compared]) -> Compared:
    """Energy by floor area of each site: areas of sites are not measured alike, so nothing is made of them together.

    The one site that is known leads; of several each stands below.
    """
    pairs = list(zip(names, made, strict=True))
    known = [(name, each) for name, each in pairs if each.now is not None and each.now.figure.value is not None]
    leads = known if len(known) == 1 else []
    more = tuple((name, each.now, each.span) for name, each in pairs if (name, each) not in leads)
    found: dict[str, Any] = {
        "now": None, "more": more, "age": "", "link": "", "span": "",
        "reason": "floor areas use different definitions and cannot be combined",
    }  # fmt: skip
    for name, each in leads:
        found |= {"now": each.now, "span": Sentence("{0}: {1}", named(name), each.span)}
    return made[0].model_copy(update=found)
