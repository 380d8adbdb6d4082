"""Files of a revision as they were written: each is handed out only with the digest that was kept of it."""

import hashlib
import shlex
from pathlib import Path
from typing import NamedTuple

from assets.stores.published.report_ledger import Revision
from data_quality.contracts.errors import BadInput
from orchestration.open_project import OpenProject
from orchestration.operations.reports.delivering import PUBLISHED_FOLDER
from reports.evidence.manifest import pack_file
from reports.pages.report_library import PATH

# Kind in the address: what it is called, and its media type.
KINDS = {
    "pdf": ("PDF", "application/pdf"),
    "xlsx": ("Workbook (XLSX)", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "json": ("Figures (JSON)", "application/json"),
    "pack": ("Evidence pack (ZIP)", "application/zip"),
}


class ReportFile(NamedTuple):
    """One file of a revision. path: where it lies, or would lie; makes: the command that makes it."""

    path: Path
    is_there: bool
    makes: str


def files_of(project: OpenProject, revision: Revision, *, is_out: bool) -> tuple[tuple[str, str, str], ...]:
    """Name, address and, where there is none, what makes it, of every file."""
    name = f"{revision.report_id}@{revision.revision}"
    found = ((kind, file_of(project, revision, kind, is_out=is_out)) for kind in KINDS)
    return tuple(
        (KINDS[kind][0], f"{PATH}/{name}/files/{kind}" if file.is_there else "", "" if file.is_there else file.makes)
        for kind, file in found
    )


def file_of(project: OpenProject, revision: Revision, kind: str, *, is_out: bool) -> ReportFile:
    """The file of that kind. is_out: of a published revision, whose files stand by themselves."""
    folder, name = project.project.reports_dir, f"{revision.report_id}@{revision.revision}"
    if kind == "pack":
        path = pack_file(folder, revision.report_id, revision.revision)
        return ReportFile(path, path.is_file(), f"meterloom pack {shlex.quote(name)}")
    stem = f"{revision.report_id}_r{revision.revision}".replace("/", "_")
    path = (folder / PUBLISHED_FOLDER if is_out else folder) / f"{stem}.{kind}"
    words = ["meterloom", "report", revision.name, "--site", revision.site_id]
    words += ["--period", revision.period.replace("_", "/"), "--format", kind]
    return ReportFile(path, path.is_file(), shlex.join(words))


def sealed_bytes(project: OpenProject, file: ReportFile) -> bytes:
    """The file as it was written. Raises BadInput where there is none, or where it is another than was written."""
    if not file.is_there:
        raise BadInput("this file is not made yet", reason="unknown_report", mend=file.makes)
    data, path = file.path.read_bytes(), file.path.relative_to(project.project.reports_dir).as_posix()
    if project.reports.files.digests(path).get(path) != hashlib.sha256(data).hexdigest():
        raise BadInput(
            f"{file.path.name} is not as it was written, and is not handed out",
            reason="edited_file",
            mend=f"make it again: {file.makes}",
        )
    return data
