"""Findings in a report: a table, the gravest first, and the line on page one that names those that block it."""

from collections.abc import Collection, Iterable, Mapping

from data_quality.contracts.finding import Finding
from reports.report_content import Block, Column, Paragraph, ReportContent, Row, Table, Tone
from reports.texts.locales import format_number, page_word, word
from reports.writer import plain, words

# Names of files, and how often a code stands: of use to whoever asks by command.
NOT_SHOWN = frozenset({"batches", "printed_figures"})
NOTHING = "No findings affect these figures."
# Facts that a reader of page one can act on; statistics stand where the method does.
IN_FRONT = frozenset({
    "rejected_rows", "missing_quarter_hours", "quarter_hours", "months", "first_day", "last_day", "days_without_factor",
    "quarter_hours_without_price", "hours_without_factor",
})  # fmt: skip
# Codes of how a model was found: of no figure, and told with the method.
OF_METHOD = frozenset({"temperature_form", "day_type_terms", "collinear", "coefficient_sign", "extreme_values"})
_TONES: Mapping[str, Tone] = {"blocking": "bad", "warning": "caution"}
DRAFT = "DRAFT, not for publication"
REVIEWED = "REVIEWED, not for publication"
SIMULATED = "PUBLISHED OVER SIMULATED READINGS: no figure of this report was measured"


def in_front(findings: Iterable[Finding], most: int | None) -> list[Finding]:
    """Findings of page one: caveats of figures, and no statistics of a model."""
    return [each for each in findings if each.code not in OF_METHOD or each.is_blocking][:most]


def findings_table(
    findings: Iterable[Finding],
    locale: str,
    *,
    sheet: str,
    key: str = "findings",
    title: str = "",
    is_front: bool = True,
    is_more: bool = False,
) -> Table:
    """Findings, the gravest first, each in a sentence; in front without its statistics.

    is_more: others are told elsewhere.
    """
    rows = [
        Row(
            cells=(
                plain(word(each.severity, locale), _TONES.get(each.severity, "muted")),
                plain(finding_sentence(each, IN_FRONT if is_front else None, locale=locale)),
            )
        )
        for each in findings
    ]
    silence = "Only notes on the method, under Findings in detail." if is_more else NOTHING
    nothing = Row(cells=(plain(word("none", locale)), plain(word(silence, locale))))
    return Table(
        key=key,
        title=title or word("Findings", locale),
        sheet=sheet,
        columns=(
            Column(title=word("Weight", locale), weight=0.8),
            Column(title=word("Finding", locale), weight=8),
        ),
        rows=tuple(rows) or (nothing,),
    )


def finding_sentence(finding: Finding, shown: Collection[str] | None = None, *, locale: str = "en") -> str:
    """A finding's message with its facts behind it, or those of `shown`; names of batches are asked by command."""
    known = {
        name: format_number(value, decimals=3, locale=locale) if isinstance(value, float) else _fact(value, locale)
        for name, value in finding.facts.items()
        if value is not None and name not in NOT_SHOWN and (shown is None or name in shown)
    }
    facts = ", ".join(f"{page_word(name.replace('_', ' '), locale)} {value}" for name, value in known.items())
    message = page_word(finding.message, locale)
    return f"{message} ({facts})" if facts else message


def _fact(value: object, locale: str) -> str:
    """A fact that is no broken number: a code in words, anything else as it is."""
    return page_word(str(value).replace("_", " "), locale) if isinstance(value, str | bool) else str(value)


def draft_mark(findings: Iterable[Finding], locale: str) -> list[Block]:
    """The reasons against publication in one line; none where nothing blocks."""
    reasons = "; ".join(dict.fromkeys(word(words(finding.code), locale) for finding in findings if finding.is_blocking))
    return [Paragraph(text=f"{word(DRAFT, locale)}: {reasons}.", tone="bad")] if reasons else []


def at_its_stage(content: ReportContent) -> ReportContent:
    """The content as its files show it by its life: who reviewed it has read the mark, and what is out is no draft."""
    life = content.life
    if life.status == "draft" or (life.returned is not None and life.reviewed is None) or not content.sections:
        return content
    first, *rest = content.sections
    blocks: list[Block] = []
    if life.published is not None and (life.status == "published (synthetic)" or content.is_synthetic):
        blocks.append(Paragraph(text=f"{word(SIMULATED, content.locale)}.", tone="bad"))
    for block in first.blocks:
        reasons = _reasons(block, content.locale)
        if reasons is None:
            blocks.append(block)
        # Once it is out the mark is dropped: nothing stood against it then.
        elif life.published is None:
            blocks.append(Paragraph(text=f"{word(REVIEWED, content.locale)}:{reasons}", tone="bad"))
    return content.model_copy(update={"sections": (first.model_copy(update={"blocks": tuple(blocks)}), *rest)})


def _reasons(block: Block, locale: str) -> str | None:
    """Reasons of a draft mark; None for any other block."""
    if not (isinstance(block, Paragraph) and block.tone == "bad"):
        return None
    starts = (f"{DRAFT}:", f"{word(DRAFT, locale)}:")
    return next((block.text.removeprefix(each) for each in starts if block.text.startswith(each)), None)
