"""/reports: the library, a stored revision as a page, its files, and what people do with it."""

import hashlib
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.stores.published.publications import PublicationStore
from assets.stores.published.report_ledger import ReportStore, Revision
from data_quality.contracts.access.permissions import Permission, sees_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from orchestration.open_project import OpenProject
from orchestration.operations.reports.reports import PUBLISHED_FOLDER
from orchestration.views.pack_subjects import subjects_of
from orchestration.web.draw import draw
from orchestration.web.library.report_acts import ACTS, act, acts_on
from orchestration.web.library.report_lines import may_make, report_lines
from orchestration.web.request_context import Context, Nav, requires
from reports.evidence.lifecycle import revision_state_at, with_revision_state
from reports.evidence.manifest import pack_file
from reports.lifecycle.revise import stored_content
from reports.pages.address import Address
from reports.pages.report_library import PATH, STATES, Chosen, ReportLine, library_page, report_twin_page
from reports.recompute.figure_sources import parse_span

router = APIRouter()
NAV = Nav(60, PATH, "Reports", Permission.REPORT_READ, "file-text", "Assure", ("ops", "exec", "audit"))
_ONE = PATH + "/{report_id:path}@{revision:int}"


# Before the list: a twin's address begins like it.
@router.get(_ONE, response_class=HTMLResponse, include_in_schema=False)
def twin(report_id: str, revision: int, ctx: Context = requires(Permission.REPORT_READ)) -> Response:
    """The revision as its files show it now. Of a site that the person does not see, there is none."""
    found, reports = _revision(ctx, report_id, revision), ctx.project.reports
    content = with_revision_state(
        stored_content(reports, report_id, revision), PublicationStore(reports.store), ctx.project.names
    )
    library = ctx.address.href(PATH, site=found.site_id, report=f"{report_id}@{revision}")
    return draw(ctx, report_twin_page(content, ctx.address, (("Files and acts", library),)))


@router.get(_ONE + "/files/{kind}", include_in_schema=False)
def file(report_id: str, revision: int, kind: str, ctx: Context = requires(Permission.REPORT_READ)) -> Response:
    """One of its files, as it was written."""
    found = _revision(ctx, report_id, revision)
    if kind not in KINDS:
        raise BadInput(f"there is no file {kind[:20]!r}; there are {', '.join(KINDS)}", reason="unknown_report")
    if kind == "pack" and not may_have_evidence(ctx.project.reports, found, ctx.person):
        raise BadInput(
            "its evidence holds readings of sites that you do not see", reason="unknown_report",
            mend="ask somebody who sees all of them",
        )  # fmt: skip
    life = revision_state_at(PublicationStore(ctx.project.store), report_id, revision, {})
    wanted = file_of(ctx.project, found, kind, is_out=life.published is not None)
    # The file as it was written. Raises BadInput where there is none, or where it is another than was written.
    if not wanted.is_there:
        raise BadInput("this file is not made yet", reason="unknown_report", mend=wanted.makes)
    data, path = wanted.path.read_bytes(), wanted.path.relative_to(ctx.project.project.reports_dir).as_posix()
    if ctx.project.reports.files.digests(path).get(path) != hashlib.sha256(data).hexdigest():
        raise BadInput(
            f"{wanted.path.name} is not as it was written, and is not handed out",
            reason="edited_file",
            mend=f"make it again: {wanted.makes}",
        )
    headers = {"Content-Disposition": f'attachment; filename="{wanted.path.name}"'}
    return Response(data, media_type=KINDS[kind][1], headers=headers)


@router.get(PATH, response_class=HTMLResponse)
def reports(ctx: Context = requires(Permission.REPORT_READ, takes=("state", "all", "report"))) -> Response:
    """The library, of the sites and organisations that the person sees."""
    state = ctx.address.part("state")
    if state and state not in STATES:
        raise BadInput(f"state is one of {', '.join(STATES)}, got {state[:20]!r}", reason="bad_address")
    lines, known = report_lines(ctx), ctx.subjects
    chosen = _chosen(ctx, lines, state)
    names, is_synthetic = {each: known[each].name for each in known}, any(e.is_simulated for e in known.values())
    page = library_page(lines, chosen, ctx.address, sites=names, is_synthetic=is_synthetic, may_make=may_make(ctx))
    return draw(ctx, page)


def _chosen(ctx: Context, lines: Sequence[ReportLine], state: str) -> Chosen | None:
    """The report that the address names, else the first that waits for somebody, else the newest."""
    report, made = ctx.address.part("report"), [each for each in lines if each.revision is not None]
    if report and not any(each.name == report for each in made):
        raise BadInput(f"there is no report {report[:80]!r}", reason="unknown_report")
    first = (each for each in made if each.name == report) if report else (
        each for each in sorted(made, key=lambda one: not one.needs_someone) if state != "published" or each.is_out
    )  # fmt: skip
    line = next(first, None)
    if line is None or line.revision is None:
        return None
    revision, project = line.revision, ctx.project
    publications = PublicationStore(project.store)
    content = with_revision_state(
        stored_content(project.reports, revision.report_id, revision.revision), publications, project.names
    )
    acts, why = acts_on(ctx, line, content)
    kinds = [each for each in KINDS if each != "pack" or may_have_evidence(project.reports, revision, ctx.person)]
    # Name, address and, where there is none, what makes it, of the files of these kinds.
    is_out = line.life.published is not None
    name = f"{revision.report_id}@{revision.revision}"
    found = ((kind, file_of(project, revision, kind, is_out=is_out)) for kind in kinds)
    files = tuple(
        (KINDS[kind][0], f"{PATH}/{name}/files/{kind}" if file.is_there else "", "" if file.is_there else file.makes)
        for kind, file in found
    )
    return Chosen(line, content, revision.recorded_at_utc, files, acts, why)


def _revision(ctx: Context, report_id: str, revision: int) -> Revision:
    found = ctx.project.reports.get(report_id, revision)
    if found.site_id not in ctx.subjects and not _is_gone(ctx, found.site_id):
        raise BadInput(f"no revision {revision} of report {report_id!r}", reason="unknown_report")
    return found


def _is_gone(ctx: Context, site_id: str) -> bool:
    """True where it is of a site that the project no longer has, and that the person would see."""
    is_known = site_id in subjects_of(ctx.project)
    return not is_known and sees_site(ctx.person, site_id)


def _doing(name: str, needs: Permission) -> Callable[..., Response]:
    def done(report_id: str, revision: int, ctx: Context = requires(needs)) -> Response:
        found = _revision(ctx, report_id, revision)
        act(ctx, found, name)
        there = Address(path=PATH, site=found.site_id, locale=ctx.address.locale)
        return RedirectResponse(there.href(report=f"{report_id}@{revision}"), 303)

    done.__doc__ = f"{name.capitalize()} the revision, as `meterloom reports {name}` does."
    return done


for _name, _kind in ACTS.items():
    router.add_api_route(f"{_ONE}/{_name}", _doing(_name, _kind.needs), methods=["POST"], name=f"reports {_name}")


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


def file_of(project: OpenProject, revision: Revision, kind: str, *, is_out: bool) -> ReportFile:
    """The file of that kind. is_out: of a published revision, whose files stand by themselves."""
    folder, name = project.project.reports_dir, f"{revision.report_id}@{revision.revision}"
    if kind == "pack":
        path = pack_file(folder, revision.report_id, revision.revision)
        return ReportFile(path, path.is_file(), f"meterloom pack {shlex.quote(name)}")
    stem = f"{revision.report_id}_r{revision.revision}".replace("/", "_")
    path = (folder / PUBLISHED_FOLDER if is_out else folder) / f"{stem}.{kind}"
    about = "--site" if revision.site_id in project.sites else "--organisation"
    words = ["meterloom", "report", revision.name, about, revision.site_id]
    words += ["--period", revision.period.replace("_", "/"), "--format", kind]
    return ReportFile(path, path.is_file(), shlex.join(words))


def may_have_evidence(reports: ReportStore, revision: Revision, person: Person) -> bool:
    """True where all sites whose readings stand in the revision's evidence, peers of its own among them, are theirs."""
    rows = reports.distinct_inputs([(revision.report_id, revision.revision)])
    return all(sees_site(person, parse_span(row["id"])[0]) for row in rows if row["kind"] == "lake")
