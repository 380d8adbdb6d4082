"""/packs: packs of data points of a site or organisation, one with its gaps, and answers in a person's name."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.stores.published.publications import PublicationStore
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.reporting.disclosure import completeness_of
from data_quality.contracts.reporting.report_template import ReportTemplate
from data_quality.contracts.time import zone
from orchestration.operations.reports.disclosure import answer as answer_point
from orchestration.operations.reports.disclosure import gaps as gaps_of_pack
from orchestration.views.benchmarks import stored_benchmark
from orchestration.views.pack_subjects import EVERY_SITE, Subject, answers_of
from orchestration.web.draw import draw
from orchestration.web.request_context import MORE, Context, Nav, requires
from orchestration.web.web_call import WebCall
from reports.content.templates import packs_of
from reports.evidence.lifecycle import revision_state_at
from reports.lifecycle.revise import stored_content
from reports.pages.address import Address
from reports.pages.packs import PATH, PackData, PackLine, PackPage, Ranked, pack_page, packs_page
from reports.pages.report_library import ReportLine, revision_progress, twin_of
from reports.texts.locales import chosen, moment

router = APIRouter()
NAV = Nav(61, PATH, "Disclosure", Permission.REPORT_READ, "leaf", MORE, ("ops", "exec", "audit"))
_SHARED = ("site", "period", "as_of", "locale")
YEARS = 4


@router.get(PATH, response_class=HTMLResponse)
def packs(ctx: Context = requires(Permission.REPORT_READ, shared=_SHARED)) -> Response:
    """The packs that are for a year, and the sites beside their peers."""
    subject, about = _about(ctx)
    lines = [_line(ctx, about, pack) for pack in _packs(ctx, about.year).values()]
    # Those that are made come first.
    lines.sort(key=lambda each: each.counts is None)
    # The organisation that it is, or that has the site; else all sites, for who sees all. Empty: none.
    groups = [each for each in ctx.subjects.values() if each.organisation is not None]
    of = (each.subject_id for each in groups if each == subject or subject.sites[0] in each.sites)
    kept = stored_benchmark(ctx.project, next(of, "" if groups or ctx.person.sites else EVERY_SITE), about.year)
    names = {each: known.name for each, known in ctx.subjects.items()}
    ranks = [
        Ranked(names.get(each.site, each.site), each.group, each.value, each.rank, each.rank_interval, each.peers)
        for each in (kept.found.rows if kept else ())
    ]
    at = moment(kept.made_at_utc.astimezone(zone(subject.time_zone)), ctx.address.locale) if kept else ""
    return draw(ctx, packs_page(lines, about, _at(ctx, about), ranks=ranks, ranked_at=at))


@router.get(PATH + "/{pack}", response_class=HTMLResponse)
def pack(pack: str, ctx: Context = requires(Permission.REPORT_READ, shared=_SHARED, takes=("point",))) -> Response:
    """One of them: what is missing and what was answered, as it would be reported now."""
    subject, about = _about(ctx)
    template = _pack(ctx, about.year, pack)
    found: Mapping[str, Any] = gaps_of_pack(
        WebCall(ctx),
        pack=pack,
        period=str(about.year),
        language=ctx.address.locale,
        **{"site" if subject.organisation is None else "organisation": subject.subject_id},
    ).result  # type: ignore[assignment]
    points, point = {each.key: each for each in template.points}, ctx.address.part("point")
    if point and point not in points:
        raise BadInput(f"{pack} has no data point {point[:40]!r}", reason="unknown_report")
    mine = [each for each in answers_of(ctx.project) if (each.pack, each.site, each.year) == (
        pack, subject.subject_id, about.year)]  # fmt: skip
    may_answer = Role.ANALYST in ctx.person.roles and ctx.address.as_of_utc is None
    data = PackData(
        line=_line(ctx, about, template), points=points, data=found["data"], gaps=found["gaps"],
        counts=found["completeness"], findings=found["findings"], answers=mine[::-1], people=ctx.project.names,
        point=point if may_answer else "", person_id=ctx.person.person_id if may_answer else "",
        public_key=ctx.project.people.public_keys.get(ctx.person.person_id, ""),
    )  # fmt: skip
    return draw(ctx, pack_page(data, about, _at(ctx, about)))


@router.post(PATH + "/{pack}/answer")
def answer(pack: str, ctx: Context = requires(Permission.REPORT_RUN, shared=_SHARED)) -> Response:
    """Answer a data point, as `meterloom disclosure answer` does."""
    subject, about = _about(ctx)
    fields = {name: ctx.form.get(name, "").strip() for name in ("value", "text", "not_applicable", "evidence")}
    answer_point(
        WebCall(ctx), point=ctx.form.get("point", ""), pack=_pack(ctx, about.year, pack).template,
        site=subject.subject_id, year=about.year, value=fields["value"] or None,
        unit=ctx.form.get("unit", "") if fields["value"] else "", text=fields["text"],
        not_applicable=fields["not_applicable"], evidence=fields["evidence"],
    )  # fmt: skip
    return RedirectResponse(_at(ctx, about).href(f"{PATH}/{pack}"), 303)


def _about(ctx: Context) -> tuple[Subject, PackPage]:
    """Of whom and of which year: where the address names none, the organisation, and the last year that is over."""
    groups = [name for name, each in ctx.subjects.items() if each.organisation is not None]
    name = ctx.address.site or next(iter(groups or ctx.subjects), "")
    subject = next(iter(ctx.of(site=name).selected_subjects().values()))
    last = ctx.as_of_or_now.astimezone(zone(subject.time_zone)).year - 1
    text = ctx.address.period or str(last)
    if not (text.isdecimal() and len(text) == len("2025") and int(text) <= last):
        raise BadInput(f"period is a year that is over, such as {last}, got {text[:20]!r}", reason="bad_address")
    names = {each: known.name for each, known in ctx.subjects.items()}
    years = sorted({*range(last - YEARS + 1, last + 1), int(text)}, reverse=True)
    return subject, PackPage(name, subject.name, int(text), names, years, subject.is_simulated)


def _at(ctx: Context, about: PackPage) -> Address:
    return ctx.address.model_copy(update={"site": about.subject_id, "scope": "", "period": str(about.year)})


def _packs(ctx: Context, year: int) -> dict[str, ReportTemplate]:
    """Packs whose edition is for the year."""
    first = date(year, 1, 1)
    found = packs_of(ctx.project.project.reports_dir)
    return {name: each for name, each in found.items() if each.framework is not None and each.framework.holds(first)}


def _pack(ctx: Context, year: int, name: str) -> ReportTemplate:
    found = _packs(ctx, year)
    if name not in found:
        known = ", ".join(found)
        raise BadInput(f"there is no pack {name[:40]!r} for {year}; there are {known}", reason="unknown_report")
    return found[name]


def _line(ctx: Context, about: PackPage, pack: ReportTemplate) -> PackLine:
    """The pack, with what its newest report of the year says."""
    project, as_of = ctx.project, ctx.address.as_of_utc
    assert pack.framework is not None  # noqa: S101 - of packs_of
    title = chosen(pack.titles, ctx.address.locale)
    made = [
        each
        for each in project.reports.revisions(about.subject_id, name=pack.template, as_of_utc=as_of, with_content=False)
        if each.period in (str(about.year), f"{about.year}-01-01_{about.year + 1}-01-01")
    ]
    if not made:
        return PackLine(pack.template, title, pack.framework)
    newest = made[-1]
    data = stored_content(project.reports, newest.report_id, newest.revision).data
    life = revision_state_at(
        PublicationStore(project.store), newest.report_id, newest.revision, project.names, as_of_utc=as_of
    )
    _, state, look = revision_progress(ReportLine(title, about.subject_id, "", newest, life))
    return PackLine(
        pack.template, title, pack.framework, completeness_of(data), twin_of(newest, ctx.address), (state, look)
    )
