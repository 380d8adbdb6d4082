"""A template and what is given become a report: findings and draft mark first, then the sections, then the register."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeGuard

from data_quality.contracts.baselines.baseline import BaselineType
from data_quality.contracts.finding import Finding
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.reporting.report_template import BlockSpec, ReportTemplate, SectionSpec, parse_question
from data_quality.contracts.time import period_key, span, zone
from reports.content.caveats import printed_ids, unreported_findings, with_marks
from reports.content.disclosure_data import DataWriter
from reports.content.findings_table import IN_FRONT, draft_mark, finding_sentence, findings_table, in_front
from reports.content.register import register_section, with_references
from reports.content.template_blocks import BlockWriter
from reports.content.template_periods import check_period
from reports.content.uncertainty import findings_of, headline_bands, printed_bands, uncertainty_sections
from reports.datasets.base import Books, Dataset, ReportInput, shifted
from reports.datasets.dataset_registry import make_datasets
from reports.datasets.enpi_findings import SYNTHETIC, in_order
from reports.datasets.template_queries import TemplateQueries
from reports.figure_book import FigureBook
from reports.gates import period_not_over
from reports.report_content import Block, Chart, Paragraph, ReportContent, Section, Table
from reports.texts.locales import chosen, language_of, word

# Findings that fit the front page beside its figures; more of them go on behind the sections.
FRONT_FINDINGS = 9


class Group(NamedTuple):
    """An organisation, the sites of its report, and who asks them. givens: what each site's datasets are given.

    table: the sites and their shares, behind the first section.
    """

    organisation: Organisation
    givens: Sequence[ReportInput]
    asker: Callable[[FigureBook], TemplateQueries]
    table: Callable[[BlockWriter], Table]


def template_report(
    template: ReportTemplate,
    given: ReportInput,
    *,
    revision: int = 0,
    datasets: Mapping[str, Dataset] | None = None,
    run_versions: Mapping[str, str] | None = None,
    group: Group | None = None,
) -> ReportContent:
    """The report's content under a revision number.

    datasets: made before, so that two revisions read once. group: sites of an organisation, which `given.site` stands
    for. Raises BadInput for a period that the template is not for.
    """
    check_period(template, given.period, given.project, given.dr_event or given.experiment)
    known = datasets if datasets is not None else datasets_for(template, given)
    booked = [each for each in known.values() if isinstance(each, Books)]
    is_synthetic = _rests_on_synthetic(template, booked, known, group.givens if group else [given])
    language, name = report_language(template, given), report_id_of(template, given)
    book = FigureBook(report_id=name, revision=revision, as_of_utc=given.as_of_utc, is_synthetic=is_synthetic)
    for each in booked:
        each.fill(book)
    ask = TemplateQueries(given, known, book, language=language) if group is None else group.asker(book)
    # A dataset of its own book tells in its findings what was waived.
    write = BlockWriter(ask, frozenset() if booked else _waived(given))
    points = DataWriter(write, template.framework, template.template) if template.framework is not None else None
    written = _written(template, write, points)
    if group is not None:
        written.insert(1, _of_table(group.table(write)))
    reported = _findings(template, given, ask, booked, points, is_synthetic=is_synthetic)
    bands = headline_bands(written, figures := book.figures(), given.sources)
    written += uncertainty_sections(bands, figures, language, given.locale)
    findings = in_order([*reported, *unreported_findings(written, figures, reported), *findings_of(bands)])
    sections = _with_findings(template, with_marks(written, figures, language), findings, language)
    named = {name: value for each in booked for name, value in each.versions.items()} | dict(run_versions or {})
    return ReportContent(
        report_id=name,
        name=template.template,
        title=_title(template, given, language),
        site_id=given.site.site_id,
        site_name=given.site.name,
        period=period_name(template, given),
        start=given.period.start,
        end=given.period.end,
        time_zone=given.site.time_zone,
        locale=given.locale,
        language="" if language_of(language) == language_of(given.locale) else language,
        currency=given.site.currency,
        revision=revision,
        as_of_utc=given.as_of_utc,
        status="draft" if any(finding.is_blocking for finding in findings) else "final",
        is_synthetic=is_synthetic,
        findings=findings,
        versions={"template": f"{template.template}@{template.version}", **named},
        sections=tuple(_with_register(template, sections, book, language)),
        figures=figures,
        bands=printed_bands(bands),
        data=() if points is None else tuple(points.data),
        organisation=None if group is None else group.organisation,
    )


def _rests_on_synthetic(
    template: ReportTemplate, booked: Sequence[Books], known: Mapping[str, Dataset], givens: Sequence[ReportInput]
) -> bool:
    # A dataset with a book of its own has read everything already, and knows.
    if booked:
        return any(each.is_synthetic for each in booked)
    return any(is_synthetic_data(template, each, known) for each in givens)


def report_language(template: ReportTemplate, given: ReportInput) -> str:
    """The language of the words: who asks for one has it, also of a template with one of its own."""
    return given.language or template.language or given.locale


def _with_register(template: ReportTemplate, sections: list[Section], book: FigureBook, language: str) -> list[Section]:
    """The sections with their references, and the register of figures behind them."""
    if template.register_form == "compact":
        # Identifiers in one paragraph: for a report that has to stay on its page.
        named = "  ".join(figure.figure_id for figure in book.figures())
        text = f"{word('Register of figures', language)}: {named}"
        return [*sections, Section(key="register", title="", blocks=(Paragraph(text=text, tone="muted"),))]
    figures = book.figures()
    # As a reader meets them: number 1 stands first on page one.
    ordered = figures if template.register_form == "made" else printed_order(sections, figures)
    numbers = {figure.figure_id: number for number, figure in enumerate(ordered, start=1)}
    return [*(with_references(section, numbers, language) for section in sections), register_section(ordered, language)]


def _title(template: ReportTemplate, given: ReportInput, language: str) -> str:
    """The report's name, with the use or the project that it is about."""
    about = given.project or given.seu
    title = chosen(template.titles, language)
    if given.dr_event is not None:
        return f"{title}, {given.dr_event.start_utc.astimezone(zone(given.site.time_zone)):%H:%M}"
    if given.experiment is not None:
        return f"{title}, {given.experiment.experiment_id}"
    return title if about is None else f"{title}, {about.name}"


def printed_order(sections: Sequence[Section], figures: Sequence[Figure]) -> list[Figure]:
    """Figures as a reader meets them, row by row; then those that stand behind them or only in a chart."""
    met = dict.fromkeys(printed_ids(sections))
    by_id = {figure.figure_id: figure for figure in figures}
    return [by_id[name] for name in [*met, *(name for name in by_id if name not in met)]]


def report_id_of(template: ReportTemplate, given: ReportInput) -> str:
    """name/site/period, with the use or the project in between where the report is about one, and its language where
    that is not the site's.
    """
    key = period_name(template, given)
    about = [] if given.seu is None else [given.seu.seu_id]
    about += [] if given.project is None else [given.project.project_id]
    about += [] if given.dr_event is None else [given.dr_event.event_id]
    about += [] if given.experiment is None else [given.experiment.experiment_id]
    about += [given.language] if given.language else []
    return "/".join([template.template, given.site.site_id, *about, key])


def period_name(template: ReportTemplate, given: ReportInput) -> str:
    """The span's shortest name; of a report of any months, as it was asked for."""
    is_named = template.covers == "months" and given.period.label
    return given.period.label if is_named else period_key(given.period.start, given.period.end)


def datasets_for(template: ReportTemplate, given: ReportInput) -> dict[str, Dataset]:
    """The datasets that a template asks, made of what is given."""
    questions = [parse_question(text) for text in questions_of(template)]
    return make_datasets(given, datasets_of(template), in_pack=questions if template.framework is not None else None)


def datasets_of(template: ReportTemplate) -> tuple[str, ...]:
    """Datasets that the template asks, in the order in which it names them first."""
    return tuple(dict.fromkeys(parse_question(text).dataset for text in questions_of(template)))


def questions_of(template: ReportTemplate) -> list[str]:
    """Every question and fact of a template, in order."""
    return [text for section in template.sections for block in section.blocks for text in block.questions]


def is_synthetic_data(template: ReportTemplate, given: ReportInput, known: Mapping[str, Dataset] | None = None) -> bool:
    """True where a reading of the span, or of an earlier one that is asked for, or a baseline is simulated.

    known: datasets of which some may rest on readings of a span of their own, and say so.
    """
    if any(getattr(each, "is_synthetic", False) for each in (known or {}).values()):
        return True
    versions = [
        *given.versions.values(),
        *(given.project_versions.values() if "project" in datasets_of(template) else ()),
    ]
    # Readings may be real and the baseline not: what it expects is simulated all the same.
    if any(version.baseline.is_synthetic for version in versions):
        return True
    axes = {table.each for section in template.sections for block in section.blocks if (table := block.table)}
    is_long = "last_three_years" in axes or any(parse_question(text).shift for text in questions_of(template))
    # Three spans back: the trend's first year is compared with the one before it.
    start = shifted(shifted(shifted(given.period, "year_before"), "year_before"), "year_before").start
    period = span(start if is_long else given.period.start, given.period.end, given.site.time_zone)
    return given.sources.has_synthetic(given.site, period, given.as_of_utc)


def _findings(
    template: ReportTemplate,
    given: ReportInput,
    ask: TemplateQueries,
    booked: Sequence[Books],
    points: DataWriter | None,
    *,
    is_synthetic: bool,
) -> list[Finding]:
    found = [] if points is None else points.findings()
    if is_synthetic:
        facts = {name: value for each in booked for name, value in each.synthetic_facts.items()}
        found.append(SYNTHETIC.model_copy(update={"facts": facts}))
    found += period_not_over(given.period, given.as_of_utc)
    # Gaps of the site are told in every report, whether it asks for the site's figures or not.
    used = list(dict.fromkeys([*datasets_of(template), "site"]))
    found += [_needed(template, finding) for finding in ask.findings([name for name in used if name in ask.datasets])]
    return found


# Codes that say that a thing is not there at all, and what templates call it in `needs`.
NEEDED = {"no_baseline": "baseline", "provisional": "baseline", "no_seu": "baseline", "no_bills": "bills"}


def _needed(template: ReportTemplate, finding: Finding) -> Finding:
    """A finding blocks only where the report cannot do without what is missing."""
    need = NEEDED.get(finding.code)
    if need is None or need in template.needs or not finding.is_blocking:
        return finding
    return finding.model_copy(update={"severity": "warning"})


def _written(template: ReportTemplate, write: BlockWriter, points: DataWriter | None) -> list[Section]:
    """The template's sections; where findings have their place, an empty table holds it. A pack begins with how
    complete it is, and ends with its gaps.
    """
    made = [
        Section(
            key=spec.key,
            title=chosen(spec.titles, write.language),
            blocks=tuple(_blocks(spec, write, points)),
            starts_page=spec.starts_page,
        )
        for spec in template.sections
    ]
    # Of a plan without a comparison group, say, a whole section has nothing to tell.
    made = [each for each in made if each.blocks]
    if points is None:
        return made
    is_drawn = any(isinstance(block, Chart) for block in made[0].blocks)
    front = (*points.front(), *(() if is_drawn else (points.picture(),)))
    first = made[0].model_copy(update={"blocks": (*front, *made[0].blocks)})
    return [first, *map(_of_table, points.bridge()), *made[1:], *map(_of_table, points.gaps())]


def _of_table(table: Table) -> Section:
    # The table has its title itself.
    return Section(key=table.key, title="", blocks=(table,))


def _with_findings(
    template: ReportTemplate, written: Sequence[Section], findings: Sequence[Finding], locale: str
) -> list[Section]:
    """The sections with the findings in their place, or behind the first section; what is too long at the end."""
    requested = (block.findings for section in template.sections for block in section.blocks)
    is_whole = any(each is not None and each.is_whole for each in requested)
    first, front = template.sections[0], in_front(findings, None if is_whole else FRONT_FINDINGS)
    made = []
    for index, section in enumerate(written):
        blocks = [
            findings_table(front, locale, sheet=block.sheet, title=block.title, is_more=bool(findings))
            if _is_place(block)
            else block
            for block in section.blocks
        ]
        if index == 0:
            blocks = [*draft_mark(findings, locale), *blocks]
            if not any(_is_place(block) for block in section.blocks):
                blocks.append(findings_table(front, locale, sheet=_first_sheet(first), is_more=bool(findings)))
        made.append(section.model_copy(update={"blocks": tuple(blocks)}))
    # All of them once more, with the numbers that stand behind each.
    is_compact = template.register_form == "compact" and len(front) == len(findings)
    if not is_compact and [finding_sentence(each, IN_FRONT) for each in front] != [
        finding_sentence(each) for each in findings
    ]:
        title, behind = word("Findings in detail", locale), word("The basis of each", locale)
        rest = findings_table(findings, locale, sheet="", key="findings_in_detail", title=behind, is_front=False)
        made.append(Section(key="findings_in_detail", title=title, blocks=(rest,)))
    return made


def _is_place(block: Block) -> TypeGuard[Table]:
    return isinstance(block, Table) and block.key == "findings"


def _blocks(spec: SectionSpec, write: BlockWriter, points: DataWriter | None) -> list[Block]:
    made: list[Block] = []
    for group in _groups(spec.blocks):
        if len(group) > 1:
            # What stands for each use stands together, its table, then its chart: their keys end in its name.
            parts = [write.per_item(each.per_item) for each in group if each.per_item is not None]
            names = dict.fromkeys(_item_of(block) for blocks in parts for block in blocks)
            made += [block for name in names for blocks in parts for block in blocks if _item_of(block) == name]
            continue
        block = group[0]
        if block.tiles:
            made += write.tiles(block.tiles)
        elif block.per_item is not None:
            made += write.per_item(block.per_item)
        elif block.data is not None and points is not None:
            made += points.tables(block.data)
        elif block.findings is not None:
            title = chosen(block.findings.titles, write.language)
            made.append(findings_table((), write.language, sheet=_first_sheet(spec), title=title))
    return made


def _per(block: BlockSpec) -> str:
    """Axis of the block; a sentence has no key by which it could stand with another's."""
    return "" if block.per_item is None or block.text is not None else block.per_item.per or ""


def _groups(blocks: Sequence[BlockSpec]) -> list[list[BlockSpec]]:
    """Neighbours that stand for each of the same things together, every other block by itself."""
    found: list[list[BlockSpec]] = []
    for block in blocks:
        if found and _per(block) and _per(found[-1][-1]) == _per(block):
            found[-1].append(block)
        else:
            found.append([block])
    return found


def _item_of(block: Block) -> str:
    return block.key.partition("/")[2] if isinstance(block, Table | Chart) else ""


def _first_sheet(spec: SectionSpec) -> str:
    return next(
        (block.table.sheet for block in spec.blocks if block.table is not None and block.table.sheet), "Summary"
    )


def _waived(given: ReportInput) -> frozenset[str]:
    """Scopes whose approved baseline had a blocking finding: somebody waived it in writing."""
    versions = (*given.versions.values(), *given.project_versions.values())
    found = [v.baseline for v in versions if v.approved_by and v.baseline.is_blocked]
    kinds = {BaselineType.MV_PROJECT: "project"}
    return frozenset(f"{kinds.get(each.baseline_type, 'seu')}:{each.seu_id}" for each in found)
