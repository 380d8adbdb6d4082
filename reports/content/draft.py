"""The line on page one that says what stands against the report, and what it becomes when the report goes out."""

from collections.abc import Iterable

from data_quality.contracts.finding import Finding
from reports.content.model import Block, Paragraph, ReportContent
from reports.content.writer import words
from reports.texts.locales import word

DRAFT = "DRAFT, not for publication"
SIMULATED = "PUBLISHED OVER SIMULATED READINGS: no figure of this report was measured"


def draft_mark(findings: Iterable[Finding], locale: str) -> list[Block]:
    """The reasons against publication in one line; none where nothing blocks."""
    reasons = "; ".join(dict.fromkeys(word(words(finding.code), locale) for finding in findings if finding.is_blocking))
    return [Paragraph(text=f"{word(DRAFT, locale)}: {reasons}.", tone="bad")] if reasons else []


def as_published(content: ReportContent, *, is_synthetic: bool) -> ReportContent:
    """The content as its published files show it: no draft, and simulated readings named in its place."""
    first, *rest = content.sections
    instead: list[Block] = []
    if is_synthetic:
        instead.append(Paragraph(text=f"{word(SIMULATED, content.locale)}.", tone="bad"))
    kept = [block for block in first.blocks if not _is_draft_mark(block, content.locale)]
    sections = (first.model_copy(update={"blocks": (*instead, *kept)}), *rest)
    return content.model_copy(update={"status": "final", "sections": sections})


def _is_draft_mark(block: Block, locale: str) -> bool:
    starts = (f"{DRAFT}:", f"{word(DRAFT, locale)}:")
    return isinstance(block, Paragraph) and block.tone == "bad" and block.text.startswith(starts)
