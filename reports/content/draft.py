"""The line on page one that names a report's blocking findings, and what it becomes when the report goes out."""

from collections.abc import Iterable

from data_quality.contracts.finding import Finding
from reports.report_content import Block, Paragraph, ReportContent
from reports.texts.locales import word
from reports.writer import words

DRAFT = "DRAFT, not for publication"
REVIEWED = "REVIEWED, not for publication"
SIMULATED = "PUBLISHED OVER SIMULATED READINGS: no figure of this report was measured"


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
