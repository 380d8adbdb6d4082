"""Numbers of an organisation for a template: each site's own figure times the organisation's share, then their sum."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from assets.sites.organisation import Part, share_of
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.figure import Figure, TraceInput
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.time import Period
from reports.datasets.base import Dataset, Given, Item, period_key, span
from reports.datasets.template_ask import Asker
from reports.figure_book import FigureBook

# What sites can answer in parts of a year, and of which a sum over sites means something.
GROUPED = frozenset({"footprint", "site"})
OWN, SHARE = "own", "share"


class GroupAsker(Asker):
    """Asks every site for its spans of one share. A measure that does not add up over sites has no number.

    given: its site stands for the group (name, currency, zone). parts: each with what its site's datasets are given.
    """

    def __init__(
        self,
        given: Given,
        book: FigureBook,
        organisation: Organisation,
        parts: Sequence[tuple[Part, Given, Mapping[str, Dataset]]],
        *,
        language: str | None = None,
    ) -> None:
        if not parts:
            raise OurFault("a group of no site")
        # The kinds of numbers are the same of every site.
        super().__init__(given, parts[0][2], book, language=language)
        self._organisation = organisation
        self._sites = [
            (part, Asker(own, datasets, book, language=language, place=f"{part.site_id}/"))
            for part, own, datasets in parts
        ]

    def items(self, axis: str, period: Period) -> list[Item]:
        """Rows of an axis: those of every site, each once."""
        if axis in {"month", "quarter", "year", "last_three_years"}:
            return super().items(axis, period)
        found = {
            each.key: Item(each.key, each.label, each.scope, period)
            for _, ask in self._sites
            for each in ask.items(axis, period)
        }
        return list(found.values())

    def fact(self, text: str, item: Item) -> tuple[str, Tone]:
        """Words of all sites about an item, each once."""
        said = [ask.fact(text, item) for _, ask in self._sites if self._has(ask, item)]
        return "; ".join(dict.fromkeys(words for words, _ in said)) or "–", "plain"

    def parts_of(self, dataset: str, name: str, item: Item) -> list[tuple[str, Figure]] | None:
        """Share × own figure of each site and span of one share. Empty where the measure does not add up over sites."""
        if self.datasets[dataset].measures[name].whole != "sum":
            return []
        found = []
        for part, ask in self._sites:
            start, end = max(part.period.start, item.period.start), min(part.period.end, item.period.end)
            if part.share > 0 and start < end and self._has(ask, item):
                scope = f"site:{part.site_id}" if item.scope == self.given.scope else item.scope
                period = span(start, end, part.period.time_zone)
                own = ask.measure(dataset, name, Item(item.key, ask.given.site.name, scope, period))
                found.append(("part", self._weighed(own, part, period)))
        return found

    def findings(self, used: Sequence[str]) -> list[Finding]:
        """What every site says, under its name."""
        return [
            each.model_copy(update={"message": f"{part.site_id}: {each.message}"})
            for part, ask in self._sites
            if part.share > 0
            for each in ask.findings(used)
        ]

    def _has(self, ask: Asker, item: Item) -> bool:
        """False for a carrier that the site does not buy: it is no unknown part of the group's."""
        if not item.scope.startswith("carrier:"):
            return True
        return any(each.scope == item.scope for each in ask.items("carrier", item.period))

    def _weighed(self, own: Figure, part: Part, period: Period) -> Figure:
        money = own.unit == own.unit.upper() and len(own.unit) == 3
        rate = self._organisation.rate_on(own.unit, part.period.start) if money else Decimal(1)
        share = self._share(part, period, rate)
        path = f"{own.path}/{SHARE}"
        if self.book.has(path):
            return self.book.at(path)
        unit = self._organisation.currency if money else own.unit
        return self.book.derive(
            path, "product", [(OWN, own), (SHARE, share)], label=f"{own.label}, {part.text}", kpi=own.kpi, unit=unit,
            scope=own.scope,
        )  # fmt: skip

    def _share(self, part: Part, period: Period, rate: Decimal) -> Figure:
        key = period_key(period.start, period.end)
        path = f"{self._organisation.organisation}/{part.site_id}/{key}/{SHARE}" + (f"/{rate}" if rate != 1 else "")
        if self.book.has(path):
            return self.book.at(path)
        version = TraceInput(
            kind="version",
            id=self._organisation.organisation,
            role="organisation",
            sha256=self._organisation.sha256,
        )
        return self.book.add(
            path,
            share_of(part.text, rate),
            label=f"{self._organisation.name}: {part.site_id}",
            kpi="group_share",
            scope=f"site:{part.site_id}",
            start=period.start,
            end=period.end,
            unit="ratio",
            computation="group_share",
            parameters={"share": part.text, "rate": f"{rate:f}"},
            inputs=[version],
        )
