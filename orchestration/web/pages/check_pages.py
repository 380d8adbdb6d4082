"""/check: where a published report stands, and whether a file of one is genuine; for everybody, signed in or not."""

import hashlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from assets.readings.readers.child import Limits, run_limited
from assets.stores.published.publications import PublicationStore
from data_quality.contracts.errors import BadInput
from orchestration.open_project import OpenProject
from orchestration.operations.reports.reports import PUBLISHED_FOLDER
from orchestration.web.draw import draw
from orchestration.web.problems import is_for_programs
from orchestration.web.upload_store import sent_file
from reports.evidence.checked_file import MOST_PLACES, is_alike, kind_of
from reports.pages.address import Address, read_address
from reports.pages.check import PATH, Checked, RevisionStatus, check_page

router = APIRouter(include_in_schema=False)
# Files of strangers are looked at one at a time, in a thread that no page of people waits for.
_FILES = CapacityLimiter(1)
LIMITS = Limits(memory_mb=512, cpu_s=20, wall_s=25.0, written_mb=64)
_NAME = re.compile(r"([\w./-]{1,128})@(\d{1,6})", re.ASCII)


@router.get(PATH, response_class=HTMLResponse)
def check(request: Request) -> Response:
    """The state of the revision that the address names, and nothing else."""
    _take(request, "checks of an address")
    address = _address(request)
    name = address.part("r")
    standing = standing_of(request.app.state.project, name) if name else None
    if name and is_for_programs(request):
        return _response((standing or RevisionStatus(state="unknown")).model_dump_json())
    return draw(None, check_page(address, standing))


@router.post(PATH)
async def check_file(request: Request) -> Response:
    """Verdict on a dropped file. Raises BadInput where none was sent."""
    _take(request, "files of an address")
    return await to_thread.run_sync(_check_file, request, limiter=_FILES)


def _check_file(request: Request) -> Response:
    data = sent_file(request)
    if not data:
        raise BadInput("no file was sent: choose one, then send it", reason="bad_request")
    found: Checked = checked(request.app.state.project, data)
    if is_for_programs(request):
        return _response(found.model_dump_json())
    return draw(None, check_page(_address(request), checked=found))


def _response(text: str) -> Response:
    return Response(text, media_type="application/json")


def _address(request: Request) -> Address:
    return read_address(PATH, list(request.query_params.multi_items()), takes=("r",), shared=("locale",))


def _take(request: Request, kind: str) -> None:
    host = request.client.host if request.client else ""
    request.state.headers = request.app.state.allowances.take(kind, host)


class _Written(NamedTuple):
    """A file that this project wrote for a revision. is_final: at or after its publication."""

    report_id: str
    revision: int
    is_final: bool


def standing_of(project: OpenProject, name: str) -> RevisionStatus:
    """Public status of the revision of that name; what is not published is unknown, whether it is there or not."""
    found = _NAME.fullmatch(name)
    if found is None:
        return RevisionStatus(state="unknown")
    report_id, revision = found[1], int(found[2])
    decisions = PublicationStore(project.store).of_report(report_id)
    steps = {(each.revision, each.step) for each in decisions}
    if (revision, "published") not in steps:
        return RevisionStatus(state="unknown")
    if (revision, "withdrawn") in steps:
        return RevisionStatus(state="withdrawn", name=name)
    later = [at for at, step in steps if step == "published" and at > revision and (at, "withdrawn") not in steps]
    if later:
        return RevisionStatus(state="superseded", name=name, by=f"{report_id}@{max(later)}")
    is_synthetic = any(each.is_synthetic for each in decisions if each.revision == revision)
    return RevisionStatus(state="published", name=name, is_synthetic=is_synthetic)


def checked(project: OpenProject, data: bytes) -> Checked:
    """Verdict on a file: genuine, altered and where, or unknown. Nothing of it is kept."""
    if not kind_of(data):
        return Checked(verdict="unknown")
    known = [_written(*each) for each in project.reports.files.of_digest(hashlib.sha256(data).hexdigest())]
    for each in sorted(known, key=lambda one: not one.is_final):
        standing = standing_of(project, f"{each.report_id}@{each.revision}")
        if standing.state != "unknown":
            return Checked(verdict="genuine" if each.is_final else "draft", standing=standing)
    if known:
        return Checked(verdict="unknown")
    with tempfile.TemporaryDirectory(prefix="meterloom-check-") as folder:
        upload = Path(folder) / "given"
        upload.write_bytes(data)
        try:
            return _compared(project, upload, data)
        except BadInput as fault:
            if fault.reason != "reader_stopped":
                raise
            return Checked(verdict="unknown")


def _written(path: str, report_id: str, revision: int) -> _Written:
    return _Written(report_id, revision, path.startswith((f"{PUBLISHED_FOLDER}/", "packs/")))


def _compared(project: OpenProject, upload: Path, data: bytes) -> Checked:
    """Of a file with other bytes than any that was written."""
    checked = run_limited("reports.evidence.checked_file:looked_at", {"path": str(upload)}, LIMITS)
    standing = standing_of(project, checked["name"])
    if checked["is_pack"] and standing.state != "unknown" and not checked["problems"]:
        found = _NAME.fullmatch(checked["name"])
        chain = PublicationStore(project.store).packs(checked["name"].split("/")[1]) if found else []
        if any(link.manifest_sha256 == checked["manifest_sha256"] for link in chain):
            return Checked(verdict="genuine", standing=standing)
        return Checked(verdict="altered", standing=standing, places=("signature.json",))
    if checked["is_pack"] and standing.state != "unknown":
        return Checked(verdict="altered", standing=standing, places=tuple(checked["problems"]))
    for name, path in _originals(project, checked["name"] if standing.state != "unknown" else "", data):
        where = run_limited(
            "reports.evidence.checked_file:places", {"given": str(upload), "written": str(path)}, LIMITS
        )
        return Checked(verdict="altered", standing=standing_of(project, name), places=tuple(where[:MOST_PLACES]))
    # It names a report of this project, whose own file is not at hand.
    if standing.state != "unknown":
        return Checked(verdict="altered", standing=standing)
    return Checked(verdict="unknown")


def _originals(project: OpenProject, name: str, data: bytes) -> Iterator[tuple[str, Path]]:
    """The published file of the revision that it names; else one that it equals in nearly every byte."""
    folder, kinds = project.project.reports_dir, {"pdf": ("pdf",), "zip": ("xlsx", "zip"), "json": ("json",)}
    suffixes = {f".{each}" for each in kinds[kind_of(data)]}
    digests = project.reports.files.rows()
    for path, report_id, revision in digests:
        file, written = folder / path, _written(path, report_id, revision)
        if not written.is_final or file.suffix not in suffixes or not file.is_file():
            continue
        own = f"{report_id}@{revision}"
        if own == name and file.suffix != ".zip":
            yield own, file
        is_same = not name and file.stat().st_size == len(data) and is_alike(file.read_bytes(), data)
        if is_same and standing_of(project, own).state != "unknown":
            yield own, file
