"""The page on which anybody checks a report: where it stands, or whether a file is genuine."""

from typing import Literal

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence
from reports.pages.address import Address
from reports.pages.page import Form, Input, Page, PageBlock, Part
from reports.report_content import Paragraph, Tone

PATH = "/check"
LARGEST_MB = 16


class RevisionStatus(Model):
    """Public status of a revision. by: the revision that took its place. is_synthetic: no figure of it was
    measured.
    """

    state: Literal["published", "superseded", "withdrawn", "unknown"]
    name: str = ""
    by: str = ""
    is_synthetic: bool = False


class Checked(Model):
    """Verdict on a file. draft: it was written before the publication of its report. places: where it is altered."""

    verdict: Literal["genuine", "draft", "altered", "unknown"]
    standing: RevisionStatus = RevisionStatus(state="unknown")
    places: tuple[str, ...] = ()


def check_page(address: Address, standing: RevisionStatus | None = None, checked: Checked | None = None) -> Page:
    """The question, and above it the answer to the one before."""
    blocks: list[PageBlock] = []
    if checked is not None:
        blocks.append(_verdict(checked))
        standing = checked.standing if checked.verdict != "unknown" else None
    if standing is not None:
        blocks.append(_standing(standing, is_quiet=checked is not None and checked.verdict != "genuine"))
    parts = [Part(key="answer", blocks=tuple(blocks))] if blocks else []
    note = Sentence("PDF, workbook, JSON or evidence pack, up to {0} MB. Nothing of it is kept.", LARGEST_MB)
    file = Form(
        key="file", title="Check a file", action=address.href(r=None), submit="Check file", note=note,
        fields=(Input(name="file", label="File of a report", kind="file", is_required=True),),
    )  # fmt: skip
    kept = [] if address.locale == "en" else [Input(name="locale", kind="hidden", value=address.locale)]
    name = Form(
        key="name", title="Check a report by its code", action=PATH, method="get", submit="Check report",
        fields=(Input(name="r", label="Code of the report", value=address.part("r"), is_required=True,
                      hint="as the square code on paper has it, such as enpi_quarter/factory/2025-Q4@1"), *kept),
    )  # fmt: skip
    parts += [Part(key="file", blocks=(file,)), Part(key="name", blocks=(name,))]
    return Page(title="Check a report", address=address, parts=tuple(parts))


def _standing(standing: RevisionStatus, *, is_quiet: bool) -> Paragraph:
    texts: dict[str, tuple[str, Tone]] = {
        "published": (Sentence("{0} is published and is the newest.", standing.name), "good"),
        "superseded": (Sentence("{0} is superseded by {1}.", standing.name, standing.by), "caution"),
        "withdrawn": (Sentence("{0} is withdrawn: it no longer holds.", standing.name), "bad"),
        "unknown": ("Unknown: no published report has this code.", "muted"),
    }
    text, tone = texts[standing.state]
    if standing.is_synthetic and standing.state == "published":
        text, tone = Sentence("{0} is published over simulated readings and is the newest.", standing.name), "caution"
    # What stands well is no word for a file that is another.
    return Paragraph(text=text, tone="muted" if is_quiet else tone)


def _verdict(checked: Checked) -> Paragraph:
    if checked.verdict == "genuine":
        return Paragraph(text="Genuine: the file is byte for byte as it was published.", tone="good")
    if checked.verdict == "draft":
        return Paragraph(text="Draft: the file was written before the report was published.", tone="caution")
    if checked.verdict == "unknown":
        return Paragraph(text="Unknown: this is no file of a published report.", tone="muted")
    if checked.places:
        return Paragraph(text=Sentence("Altered at: {0}.", ", ".join(checked.places)), tone="bad")
    return Paragraph(text="Altered: this is not the file that was published.", tone="bad")
