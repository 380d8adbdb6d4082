"""Are a pack's PDF, workbook and JSON what its content says? They are rendered again, and compared."""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence, Set
from typing import Any

from pydantic import ValidationError

from assets.bills.documents.read_pdf import pdf_text
from assets.stores.published.publications import Decision
from assets.stores.sign import Signature
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Figure
from reports.content.findings_table import at_its_stage
from reports.evidence import manifest as names
from reports.evidence.archive import Archive, PackProblem
from reports.evidence.lifecycle import stage_of
from reports.evidence.manifest import Manifest
from reports.make_report import RENDERERS
from reports.report_content import ReportContent

# Words with a digit: of a number with its marks, of a date, of an identifier. Versions before the report's own font
# drew a minus and each letter beyond Latin-1 as a string of another font: here too a minus may have a space behind it,
# and such a letter is of no word.
_LATIN = r"[\dA-Za-z_ªµºÀ-ÖØ-öø-ÿ.,:/\-+%]*"
_NUMBER = re.compile(rf"(?:−\s*)?{_LATIN}\d{_LATIN}")
_DATE = re.compile(r"\d{4}-(?:Q\d|\d{2}(?:-\d{2})?)")
# Page numbers and counts of a layout are no figures.
_LEAST_DIGITS = 4
_NAMED = 3
MAX_RENDERED = 256 << 20


def printed_problems(
    archive: Archive,
    manifest: Manifest,
    *,
    content: dict[str, Any],
    life: dict[str, Any],
    figures: Sequence[Figure],
    is_same_code: bool,
) -> Iterator[PackProblem | str]:
    """Files that do not show what the content says, and as text what could be compared by its words only.

    Code that is the same writes the same bytes. Other code (an earlier or later version) may lay pages out otherwise:
    then every number of a file must stand in what is rendered here, and every figure that is rendered here in the file.
    """
    report = manifest.report
    stem = names.rendered_stem(report.name, report.site_id, report.period, report.revision)
    wanted = {kind: f"{stem}.{kind}" for kind in RENDERERS}
    known = {names.CONTENT, names.LIFE, *wanted.values()}
    for name in archive.members:
        if name.startswith("report/") and name not in known:
            yield PackProblem(file=name, problem="is no file of this report")
    try:
        whole = ReportContent.model_validate({**content, "figures": tuple(figures)})
        stage = stage_of(
            [Decision.model_validate(each) for each in life["decisions"]],
            [Signature.model_validate(each) for each in life["signatures"]],
            maker=life.get("maker"),
            # Earlier releases packed ids alone.
            names=life.get("names", {}),
        )
    except (ValidationError, ValueError, LookupError, TypeError):
        yield PackProblem(file=names.CONTENT, problem="cannot be read")
        return
    if stage.status != report.status:
        yield PackProblem(file=names.LIFE, problem=f"says {stage.status}, the manifest {report.status}")
    shown = at_its_stage(whole.model_copy(update={"life": stage}))
    dates = set(_DATE.findall(whole.model_dump_json()))
    # An axis of months names those of its days.
    dates |= {each[:7] for each in dates}
    for kind, name in wanted.items():
        if name not in archive.members:
            yield PackProblem(file=name, problem="is missing")
            continue
        here, there = RENDERERS[kind](shown), archive.bytes_of(name, limit=MAX_RENDERED)
        if here == there or (kind == "json" and _is_same_document(here, there)):
            continue
        # Earlier versions told less of a report's life, in other words: only the content must be there.
        least = here if is_same_code else RENDERERS[kind](whole)
        different = _differences(kind, least, here, there, dates)
        if different:
            yield PackProblem(file=name, problem=f"does not show what the content says: {different}")
        elif is_same_code:
            yield PackProblem(file=name, problem="is not the file that the content gives")
        else:
            yield f"{name} was rendered by other code: its numbers were compared, not its pages"


def _is_same_document(here: bytes, there: bytes) -> bool:
    """The same but for the order of keys, which a pack's content sorts."""
    try:
        return bool(json.loads(here) == json.loads(there))
    except (ValueError, RecursionError):
        return False


def _differences(kind: str, least: bytes, most: bytes, there: bytes, dates: Set[str]) -> str:
    """The first numbers that the file shows and `most` does not, or `least` and the file not; empty where none.

    dates: of the content, as 2025-01-15 and 2025-Q1. Earlier versions printed them so; of one in words only the year
    has enough digits here.
    """
    try:
        wanted, known, found = (numbers_in(kind, each) for each in (least, most, there))
    except BadInput as fault:
        return fault.message
    years = {each[:4] for each in found & dates}
    differences = [f"{each} stands in it only" for each in sorted(found - known - wanted - dates)[:_NAMED]]
    differences += [f"{each} is not in it" for each in sorted(wanted - found - years)[:_NAMED]]
    return "; ".join(differences)


def numbers_in(kind: str, data: bytes) -> set[str]:
    """Words with four digits or more that a rendered file shows. Raises BadInput for a file that cannot be read."""
    if kind == "pdf":
        text = pdf_text(data)
    elif kind == "xlsx":
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as book:
                parts = [
                    book.read(name).decode(errors="replace")
                    for name in sorted(book.namelist())
                    if name.startswith("xl/worksheets/sheet") or name == "xl/sharedStrings.xml"
                ]
        # RuntimeError is the library's answer to an encrypted member, NotImplementedError (one of them) to odd packing.
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, KeyError, RuntimeError) as error:
            raise BadInput(f"not a whole workbook ({type(error).__name__})", reason="broken_xlsx") from error
        text = re.sub(r"<[^>]*>", " ", " ".join(parts))
    else:
        text = data.decode(errors="replace")
    words = ("".join(word.split()).strip(".,:/") for word in _NUMBER.findall(text))
    return {word for word in words if sum(map(str.isdigit, word)) >= _LEAST_DIGITS}
