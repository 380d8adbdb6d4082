"""Numbers of an organisation for a template: each site's own figure times the organisation's share, then their sum."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from assets.sites.organisation import Part, share_of
from data_quality.contracts.finding import Finding
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.figure import Figure, TraceInput
from data_quality.contracts.reporting.report_template import SeriesSpec, Tone, parse_question
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import Period, period_key, span
from reports.content.template_blocks import BlockWriter
from reports.datasets import benchmark, measures, project, targets, water
from reports.datasets.base import Added, Dataset, DayPoint, Item, ReportInput, nothing
from reports.datasets.template_queries import TemplateQueries
from reports.figure_book import FigureBook
from reports.recompute.covered_area import water_streams
from reports.report_content import Column, Row, Table
from reports.texts.locales import period_text, word, written
from reports.writer import plain

# What sites can answer for parts of a year, and of which a sum over sites means something.
GROUPED = frozenset({"footprint", "site", "energy_balance", "floor_area", water.NAME, measures.NAME})
# Axes whose things are of single sites, and those of which a row says whose it is.
THINGS, NAMED_THINGS = frozenset({"carrier", "measure", "project"}), frozenset({"measure", "project"})
# What the organisation itself says, and no site for it.
OWN_SAID = (targets.NAME, benchmark.NAME)
# Between the scope of such a thing and the site that it is of.
OF = "@"
OWN, SHARE = "own", "share"
# Datasets whose numbers rest on floor areas, by their definition.
BY_AREA = frozenset({"floor_area", water.NAME, benchmark.NAME})
# Sizes of a site that add up, weighed by the days that it counts.
SIZES = frozenset({"floor_area_m2", "known_m2"})


class Member(NamedTuple):
    """A site within an organisation over days of one share, and what its datasets are given."""

    organisation: Organisation
    part: Part
    given: ReportInput
    datasets: Mapping[str, Dataset]


class GroupQueries(TemplateQueries):
    """Asks every site for its spans of one share. A measure that does not add up over sites has no number.

    given: its site stands for the organisation (name, currency, zone).
    """

    def __init__(
        self, given: ReportInput, book: FigureBook, members: Sequence[Member], *, language: str | None = None
    ) -> None:
        # The kinds of numbers are the same of every site.
        datasets = members[0].datasets
        own: Sequence[Dataset] = (targets.TargetData(given), benchmark.BenchmarkData(given))
        self._own = {name: each for name, each in zip(OWN_SAID, own, strict=True) if name in datasets}
        super().__init__(given, {**datasets, **self._own}, book, language=language)
        self._organisation = members[0].organisation
        self._sites = [
            (
                each.part,
                TemplateQueries(each.given, each.datasets, book, language=language, place=f"{each.part.site_id}/"),
            )
            for each in members
        ]

    def shares(self) -> list[tuple[Part, Figure]]:
        """Each site over its span, with the organisation's share of it."""
        return [(part, self._share(part, part.period, "1")) for part, _ in self._sites]

    def items(self, axis: str, period: Period) -> list[Item]:
        """Rows of an axis: those of every site, each once."""
        if axis in {"month", "quarter", "year", "last_three_years"}:
            return super().items(axis, period)
        for source in self._own.values():
            if (own := source.items(axis, period)) is not None:
                return own
        found = dict[str, Item]()
        for _, ask in self._sites:
            for each in ask.items(axis, period):
                if axis in NAMED_THINGS:
                    # Two sites may call a project alike.
                    of, label = f"{OF}{ask.given.site.site_id}", f"{ask.given.site.name}: {each.label}"
                    found[each.key + of] = Item(each.key + of, label, each.scope + of, period)
                else:
                    found[each.key] = Item(each.key, each.label, each.scope, period)
        return list(found.values())

    def fact(self, text: str, item: Item) -> tuple[str, Tone]:
        """Words of all sites about an item, each once; of the days that a site counts."""
        if parse_question(text).dataset in self._own:
            return super().fact(text, item)
        found = [
            ask.fact(text, Item(item.key, item.label, _own_scope(ask, item), period))
            for part, ask in self._sites
            if (period := within(part, item.period)) is not None and self._has(ask, item)
        ]
        # What a site lists is joined in the same way.
        listed = dict.fromkeys(each for words, _ in found for each in words.split("; ") if each)
        return "; ".join(listed) or "–", "plain"

    def quarter_hours(self, spec: SeriesSpec, item: Item) -> Sequence[tuple[str, DayPoint]]:
        """None: a course is of one site."""
        return ()

    def measure(self, dataset: str, name: str, item: Item) -> Figure:
        """The figure of a measure, made of the sites' own where it adds up over them."""
        measure = self.datasets[dataset].measures[name]
        adds_up = measure.made is not None or measure.whole == "sum" or name in SIZES or dataset == water.NAME
        is_added = dataset in GROUPED and adds_up
        if is_added or dataset in self._own:
            return super().measure(dataset, name, item)
        for part, ask in self._sites if dataset == measures.NAME and OF in item.scope else ():
            # Lifetime and rate of a measure are stated by its own site, whoever owns how much of it.
            if (period := within(part, item.period)) is not None and self._has(ask, item):
                return ask.measure(dataset, name, self._of_site(ask, item, period))
        path = f"{dataset}/{item.scope}/{period_key(item.period.start, item.period.end)}/{name}"
        if self.book.has(path):
            return self.book.at(path)
        shared: dict[str, Any] = {
            "item": item,
            "label": word(measure.label, self.language),
            "kpi": name,
            "unit": measure.unit,
        }
        # A saving is claimed, or not, by the gate of its own site.
        if (dataset, name) == (project.NAME, "savings_kwh"):
            return self._derived(path, "sum", self.parts_of(dataset, name, item) or [], **shared)
        return self._put(path, nothing("of_one_site"), **shared)

    def parts_of(self, dataset: str, name: str, item: Item) -> list[tuple[str, Figure]] | None:
        """Share × own figure of each site and span of one share; of what is the organisation's own there are none."""
        if dataset in self._own:
            return None
        found = []
        for part, ask in self._sites:
            period = within(part, item.period)
            # What is still to be done is of who owns the site when the period ends.
            is_ahead = dataset != measures.NAME or part.period.end == self.given.period.end
            if part.share > 0 and period is not None and is_ahead and self._has(ask, item):
                of_member, source = self._of_site(ask, item, period), ask.datasets[dataset]
                if isinstance(source, Added) and not source.adds_up(name, of_member):
                    continue
                own = ask.measure(dataset, name, of_member)
                days = Fraction(period.days, item.period.days) if name in SIZES else Fraction(1)
                found.append(("part", self._weighed(own, part, period, days)))
        return found

    def findings(self, used: Sequence[str]) -> list[Finding]:
        """Findings of every site, under its name, the organisation's own, and floor areas of another kind than its."""
        of_sites, own = [each for each in used if each not in self._own], [each for each in used if each in self._own]
        return [
            *benchmark.organisation_not_kept(self.given),
            *self._other_areas(used),
            *self._dry(used),
            *super().findings(own),
        ] + [
            each.model_copy(update={"message": Sentence("{0}: {1}", part.site_id, each.message)})
            for part, ask in self._sites
            if part.share > 0
            for each in ask.findings(of_sites)
        ]

    def _other_areas(self, used: Sequence[str]) -> list[Finding]:
        wanted, found = self._organisation.floor_area, list[Finding]()
        for site in {part.site_id: ask.given.site for part, ask in self._sites if part.share > 0}.values():
            kinds = {site.floor_area_definition, *(each.definition for each in site.premises.floor_areas)}
            named = ", ".join(sorted(str(each) for each in kinds if each not in (wanted, None)))
            if wanted is not None and named and not BY_AREA.isdisjoint(used):
                message = Sentence(
                    "{0}: its floor area is {1}, that of the organisation {2}.", site.site_id, named, wanted
                )
                found.append(Finding(code="floor_area_definition", message=message))
        return found

    def _dry(self, used: Sequence[str]) -> list[Finding]:
        """Sites without any meter of water: the organisation's sum knows nothing of theirs."""
        if water.NAME not in used:
            return []
        known = {part.site_id: ask.given.site for part, ask in self._sites if part.share > 0}
        message = Sentence("No meter of the site counts water.")
        return [
            Finding(code="no_water_meter", message=Sentence("{0}: {1}", name, message), scope=f"site:{name}")
            for name, site in known.items()
            if not water_streams(site)
        ]

    def _has(self, ask: TemplateQueries, item: Item) -> bool:
        """False for a carrier that the site does not buy, and for another's measure or project: it is no unknown part
        of the group's.
        """
        axis, scope = item.scope.partition(":")[0], _own_scope(ask, item)
        return axis not in THINGS or any(each.scope == scope for each in ask.items(axis, item.period))

    def _of_site(self, ask: TemplateQueries, item: Item, period: Period) -> Item:
        """The item as the site has it: itself over its days, or a measure with the days that it was found in."""
        site, scope = ask.given.site, _own_scope(ask, item)
        if scope.startswith("measure:"):
            return next(each for each in ask.items("measure", period) if each.scope == scope)
        scope = f"site:{site.site_id}" if scope == self.given.scope else scope
        return Item(item.key, site.name, scope, period)

    def _weighed(self, own: Figure, part: Part, period: Period, days: Fraction) -> Figure:
        is_money = re.fullmatch("[A-Z]{3}", own.unit) is not None
        rate = self._organisation.rate_on(own.unit, part.period.start) if is_money else Decimal(1)
        path = f"{own.path}/{SHARE}"
        if self.book.has(path):
            return self.book.at(path)
        return self.book.derive(
            path,
            "product",
            [(OWN, own), (SHARE, self._share(part, period, f"{rate:f}" if days == 1 else str(days)))],
            label=f"{own.label}, {part.text}",
            kpi=own.kpi,
            unit=self._organisation.currency if is_money else own.unit,
            scope=own.scope,
        )

    def _share(self, part: Part, period: Period, rate: str) -> Figure:
        named = (self._organisation.organisation, part.site_id, period_key(period.start, period.end), SHARE)
        path = "/".join([*named, *([] if rate == "1" else [rate.replace("/", " of ")])])
        if self.book.has(path):
            return self.book.at(path)
        version = TraceInput(kind="version", id=named[0], role="organisation", sha256=self._organisation.sha256)
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
            parameters={"share": part.text, "rate": rate},
            inputs=[version],
        )


def _own_scope(ask: TemplateQueries, item: Item) -> str:
    """The item's scope as the site of `ask` has it; empty for a thing of another site's."""
    scope, _, site_id = item.scope.partition(OF)
    return scope if site_id in ("", ask.given.site.site_id) else ""


def within(part: Part, period: Period) -> Period | None:
    """The local days of a period that a part has; None where it has none."""
    start, end = max(part.period.start, period.start), min(part.period.end, period.end)
    return span(start, end, part.period.time_zone) if start < end else None


def members_table(write: BlockWriter) -> Table:
    """The sites of an organisation's report: over which days, at which share, by which stakes."""
    ask, language = write.ask, write.language
    assert isinstance(ask, GroupQueries)  # noqa: S101 - only a group has members
    rows = [
        Row(
            cells=(
                plain(part.site_id),
                plain(part.entity),
                plain(period_text(part.period.start, part.period.end, language)),
                write.write.percent(figure),
                plain(written(part.text.replace("*", " × ").replace("+", " + "), language)),
                plain(", ".join(each.meter for each in part.left_out)),
            )
        )
        for part, figure in ask.shares()
    ]
    heads = ("Site", "Entity", "Period", "Share", "Stakes", "Left out: delivered by own sites")
    columns = tuple(Column(title=word(title, language), is_number=title == "Share") for title in heads)
    title = word("Sites of the organisation", language)
    return Table(key="members", title=title, sheet="Sites", columns=columns, rows=tuple(rows))
