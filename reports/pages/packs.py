"""Packs of data points of a year: how complete each is, and one with its gaps, answers and a form to answer."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.disclosure import Completeness, Datum, DisclosureAnswer, Gap
from data_quality.contracts.reporting.report_template import DatumSpec, FrameworkSpec
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.address import Address
from reports.pages.chart import Chart, ChartRow
from reports.pages.numbers import Number, Numbers
from reports.pages.page import (  # fmt: skip
    Cards,
    Choice,
    Form,
    Input,
    Item,
    Look,
    Option,
    Page,
    PageBlock,
    Part,
    Widget,
)
from reports.report_content import Cell, Paragraph, Table, table
from reports.texts.locales import MISSING, chosen, format_alike, format_number, long_date, named

PATH = "/packs"
# Rows of a benchmark: site, value, rank, its interval, peers, and why there is none.
_RANKS = ("Site", "Group", ("Energy by floor area", "kWh/m²"), "Rank", "Between", "Peers")


class PackLine(NamedTuple):
    """A pack that is for the year. counts, report, state: of its newest report; none where it is not made."""

    name: str
    title: str
    framework: FrameworkSpec
    counts: Completeness | None = None
    report: str = ""
    state: tuple[Text, Look] | None = None


class Ranked(NamedTuple):
    """A site beside its peers, and when that was made."""

    site: str
    group: str
    value: float | None
    rank: int | None
    interval: tuple[int, int] | None
    peers: int


class PackPage(NamedTuple):
    """Of what packs are shown: name and year, whoever else they may be of by id, and years that are over."""

    subject_id: str
    name: str
    year: int
    subjects: Mapping[str, str]
    years: Sequence[int]
    is_simulated: bool


class PackData(NamedTuple):
    """One pack as its page is given it. points: by key; answers: of the year, the newest first; people: names by id.
    point: the one that is answered now; person_id, public_key: of who may answer, empty where nobody may or signs.
    """

    line: PackLine
    points: Mapping[str, DatumSpec]
    data: Sequence[Datum]
    gaps: Sequence[Gap]
    counts: Completeness
    findings: Sequence[Finding]
    answers: Sequence[DisclosureAnswer]
    people: Mapping[str, str]
    point: str = ""
    person_id: str = ""
    public_key: str = ""


def packs_page(
    lines: Sequence[PackLine], about: PackPage, address: Address, *, ranks: Sequence[Ranked], ranked_at: str
) -> Page:
    """A card a pack, those without a report in one card, and the sites beside their peers. ranked_at: when the ranks
    were made; empty: they are not.
    """
    cards = [_card(each, each.counts, address) for each in lines if each.counts is not None]
    cards += [_without(rest, address)] if (rest := [each for each in lines if each.counts is None]) else []
    none = Paragraph(text="No pack is for this year.", tone="muted")
    parts = [Part(key="packs", blocks=(*_choices(about, address), Cards(widgets=tuple(cards)) if cards else none))]
    if ranked_at:
        parts.append(
            Part(key="peers", title="Sites compared with their peers", blocks=_peers(ranks, ranked_at, address))
        )
    title = Sentence("Disclosure of {0}, {1}", named(about.name), str(about.year))
    return Page(title=title, address=address, parts=tuple(parts), is_synthetic=about.is_simulated)


def pack_page(pack: PackData, about: PackPage, address: Address) -> Page:
    """One pack: how complete it is, what is missing, what was answered, and a form for the chosen data point."""
    parts = [Part(key="complete", blocks=(_headline(pack.counts, about.year),))]
    if pack.point:
        parts.append(Part(key="answer", title="Answer", blocks=tuple(_answering(pack, about, address))))
    gaps: PageBlock = _gaps(pack, address)
    if not pack.gaps:
        gaps = Paragraph(text="No data point is missing.", tone="good")
    parts.append(Part(key="gaps", blocks=(gaps,)))
    if pack.answers:
        parts.append(Part(key="answers", blocks=(_answers(pack, address.locale),)))
    links = [("All packs", address.href(PATH, point=None))]
    if pack.line.report:
        links.insert(0, ("Report", pack.line.report))
    framework = pack.line.framework
    age = Sentence("{0}, edition {1}", named(framework.name), framework.edition)
    return Page(
        title=Sentence("{0}: {1}, {2}", named(pack.line.title), named(about.name), str(about.year)), address=address,
        parts=tuple(parts), links=tuple(links), age=age, state=pack.line.state,
        findings=tuple(pack.findings),
        is_synthetic=about.is_simulated,
    )  # fmt: skip


def _choices(about: PackPage, address: Address) -> list[Choice]:
    found = [
        Choice(label="Year", options=tuple(
            Option(text=str(each), href=address.href(period=str(each)), is_chosen=each == about.year)
            for each in about.years
        ))
    ]  # fmt: skip
    if len(about.subjects) > 1:
        options = tuple(
            Option(text=named(name), href=address.href(site=each), is_chosen=each == about.subject_id)
            for each, name in about.subjects.items()
        )
        found.insert(0, Choice(label="Of", options=options))
    return found


def _without(lines: Sequence[PackLine], address: Address) -> Widget:
    """Packs of which no report is made: a line each, with where its gaps are."""
    links = [address.href(f"{PATH}/{each.name}") for each in lines]
    items = tuple(
        Item(
            text=named(each.title), detail=Sentence("edition {0}", each.framework.edition), icon="file-text", href=link,
            acts=(("See gaps", link),),
        )
        for each, link in zip(lines, links, strict=True)
    )  # fmt: skip
    hint = "No report for this year yet."
    return Widget(key="packs-without", title="Not started", state="value", hint=hint, items=items, span=12)


def _card(line: PackLine, counts: Completeness, address: Address) -> Widget:
    """A pack by the counts of its newest report."""
    link, hint = address.href(f"{PATH}/{line.name}"), Sentence("edition {0}", line.framework.edition)
    shared = {"key": f"pack-{line.name}", "title": named(line.title), "link": link, "hint": hint, "span": 4}
    value = Number(
        label="Complete", text=_share(counts, address.locale), unit="%",
        note=Sentence("{0} of {1} required", counts.required - counts.missing, counts.required),
        tone="bad" if counts.missing else "good",
    )  # fmt: skip
    state = (Number(label="As of its report", text=line.state[0]),) if line.state else ()
    return Widget(state="value", value=value, numbers=(*_numbers(counts), *state), **shared)


def _share(counts: Completeness, locale: str) -> str:
    if not counts.required:
        return MISSING
    # Rounded down: what lacks one data point is not complete.
    share = (counts.required - counts.missing) * 100 // counts.required
    return format_number(Decimal(share), decimals=0, locale=locale)


def _numbers(counts: Completeness) -> tuple[Number, ...]:
    given = (
        ("Figures", counts.figure), ("Answers", counts.organisation), ("Not applicable", counts.not_applicable),
        ("Missing", counts.missing),
    )  # fmt: skip
    return tuple(Number(label=label, text=str(count)) for label, count in given)


def _headline(counts: Completeness, year: int) -> Numbers:
    first = Number(label="Required", text=str(counts.required), note=Sentence("data points of {0}", str(year)))
    return Numbers(numbers=(first, *_numbers(counts)))


def _gaps(pack: PackData, address: Address) -> Table:
    """Data points to be added; a name leads to its form, where somebody may answer."""
    heads = ("Standard", "To be added", "By whom", "Until", "Required", "Answer of the year before")
    rows = [
        (
            Cell(text=named(each.id), href=f"{address.href(point=each.id)}#answer" if pack.person_id else ""),
            named(each.what), named(each.who), long_date(each.by, address.locale) if each.by else MISSING,
            Cell(text="yes" if each.required else "no", tone="bad" if each.required else "plain"),
            named(each.offered) if each.offered else MISSING,
        )
        for each in pack.gaps
    ]  # fmt: skip
    return table("gaps", "Gaps", heads, rows)


def _answers(pack: PackData, locale: str) -> Table:
    heads = ("Standard", "Answer", "By", "On", "Signature", "Evidence")
    unsigned = Cell(text="unsigned", tone="muted")
    rows = [
        (
            named(each.id),
            Sentence("does not apply: {0}", named(each.not_applicable)) if each.not_applicable
            else named(each.answer_text),
            named(pack.people.get(each.author, each.author)), long_date(each.at, locale),
            "signed" if each.signed_sha256 else unsigned, named(each.evidence) if each.evidence else MISSING,
        )
        for each in pack.answers
    ]  # fmt: skip
    return table("answers", "Answers", heads, rows)


def _answering(pack: PackData, about: PackPage, address: Address) -> Iterable[PageBlock]:
    """Label of the data point, and the form: a number in its unit, one of its choices, or words."""
    key, point, locale = pack.point, pack.points[pack.point], address.locale
    yield Paragraph(text=named(f"{key}: {chosen(point.labels, locale)}"))
    fields = [Input(name="point", kind="hidden", value=key)]
    if point.kind in {"figure", "table"}:
        unit = point.answer_unit
        fields.append(Input(name="value", label=Sentence("Value in {0}", unit), hint="With a point before decimals"))
        fields.append(Input(name="unit", kind="hidden", value=unit))
    elif point.choices:
        options = tuple((each, named(each.replace("_", " "))) for each in point.choices)
        fields.append(Input(name="text", label="Answer", kind="select", options=(("", MISSING), *options)))
    else:
        fields.append(Input(name="text", label="Answer", kind="textarea"))
    fields += [
        Input(name="not_applicable", label="Or why it does not apply"),
        Input(name="evidence", label="Evidence", hint="A file below the project's folder"),
    ]
    words = ["meterloom", "disclosure", "answer", key, "--pack", pack.line.name, "--site", about.subject_id]
    words += ["--year", str(about.year), "--as", pack.person_id]
    more = f'--value "…" --unit {shlex.quote(point.answer_unit)}' if point.kind in {"figure", "table"} else '--text "…"'
    signed = "Signed with your key. Earlier answers stay; the last one counts."
    yield Form(
        title="Answer in your name", fields=tuple(fields), submit="Send answer",
        action=address.href(f"{PATH}/{pack.line.name}/answer", point=None),
        note=signed if pack.public_key else "Earlier answers stay; the last one counts.",
        public_key=pack.public_key, command=f"{shlex.join(words)} {more}" if pack.public_key else "",
    )  # fmt: skip


def _peers(ranks: Sequence[Ranked], ranked_at: str, address: Address) -> tuple[PageBlock, ...]:
    rows = [
        (
            named(each.site), named(each.group), format_alike([each.value], "kwh_per_m2", locale=address.locale)[0],
            str(each.rank) if each.rank else "no rank",
            Sentence("{0} to {1}", *each.interval) if each.interval else MISSING, str(each.peers),
        )
        for each in ranks
    ]  # fmt: skip
    made: list[PageBlock] = [table("ranks", "Rank by energy per floor area", _RANKS, rows)]
    known = [each for each in ranks if each.value is not None]
    if len(known) > 1:
        row = ChartRow(label="Energy by floor area", values=tuple(each.value for each in known))
        made.append(Chart(
            kind="ranked", key="peers", title="Energy by floor area", unit="kwh_per_m2", rows=(row,),
            x=tuple(named(each.site) for each in known), x_title="Site", locale=address.locale,
        ))  # fmt: skip
    note = Sentence("Rank 1 takes the least. Fewer than five peers have no rank. Made on {0}.", ranked_at)
    return (*made, Paragraph(text=note, tone="muted"))
