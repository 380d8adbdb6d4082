"""One report from start to files: inputs, content, stored revision, rendered formats."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from assets.sites.load_sites import site_sha256
from assets.stores.lake.lake import Lake
from assets.stores.published.publications import PublicationStore
from assets.stores.published.report_ledger import ReportStore, keep_site_version
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.disclosure import DisclosureAnswer
from data_quality.contracts.reporting.report_template import ReportTemplate
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, Period
from reports.content.template_periods import check_period
from reports.content.template_report import datasets_for, template_report
from reports.content.templates import load_edition
from reports.evidence.lifecycle import with_revision_state
from reports.gates import refuse_future, refuse_without_readings
from reports.lifecycle.revise import store_revision
from reports.recompute.figure_sources import Sources
from reports.render.render_json import render_json
from reports.render.render_pdf import render_pdf, render_print
from reports.render.render_xlsx import render_xlsx
from reports.report_content import ReportContent
from reports.report_input import report_input_of

RENDERERS: dict[str, Callable[[ReportContent], bytes]] = {"pdf": render_pdf, "xlsx": render_xlsx, "json": render_json}
# What may be asked for beside them, and is in no evidence pack.
FORMATS = {**RENDERERS, "print": render_print}
_SUFFIXES = {"print": "_print.pdf"}


class StoredReport(Model):
    """A stored revision and the files it was rendered to, by format."""

    content: ReportContent
    is_new: bool
    files: dict[str, Path]


@dataclass(frozen=True)
class ReportRequest:
    """Sources, people and files of reports, of a site or an organisation.

    known_at_utc: the instant of a run that makes many reports: all of them say what was known then, and read it once.
    templates_dir: the project's reports folder, whose `templates` come before the package's. names: of people by
    person_id, as the people file has them; without it their ids are printed alone. edition: of a pack, where the period
    is not to choose it. language: of words and numbers, instead of the site's. answers: of the organisation, to data
    points of packs.
    """

    sources: Sources
    reports: ReportStore
    clock: Clock
    out_dir: Path
    formats: Sequence[str] = ("pdf", "xlsx", "json")
    marts_dir: Path | None = None
    as_of_utc: datetime | None = None
    known_at_utc: datetime | None = None
    templates_dir: Path | None = None
    run_versions: Mapping[str, str] = field(default_factory=dict)
    maker: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    edition: str = ""
    language: str = ""
    answers: Sequence[DisclosureAnswer] = ()

    def inputs(self) -> dict[str, Any]:
        """Arguments of `report_input_of` and `group_report_input`, as known now or at its instant."""
        return {
            "sources": self.sources, "names": self.names, "language": self.language, "answers": self.answers,
            "known_at_utc": self.as_of_utc or self.known_at_utc or self.reports.store.known_at(self.clock),
            # Marts say what is known now; a view of the past comes from the readings.
            "marts_dir": self.marts_dir if self.as_of_utc is None else None,
        }  # fmt: skip

    def stored(self, build: Callable[[int], ReportContent], site: Site | None = None) -> StoredReport:
        """The content of `build(revision)`, stored and rendered."""
        # In this order: a file whose revision is not kept could not be traced.
        content, is_new = store_revision(build, self.reports, self.clock, site=site, maker=self.maker)
        shown, files = render_now(content, self.reports, self.out_dir, self.formats, self.clock, self.names)
        return StoredReport(content=shown, is_new=is_new, files=files)


def make_report(
    name: str,
    site: Site,
    period: Period,
    request: ReportRequest,
    *,
    seu_id: str | None = None,
    project_id: str | None = None,
    event_id: str | None = None,
) -> StoredReport:
    """Build, store and render the report of that name, any template of the package or the project.

    The same content again is the same revision. Raises BadInput: an unknown name with those there are, a period or
    subject that the template is not for, a bad template by line.
    """
    refuse_unknown(request.formats)
    template = load_edition(name, request.templates_dir, period=period, edition=request.edition)
    given = report_input_of(
        template, site, period, seu_id=seu_id, project_id=project_id, event_id=event_id, **request.inputs()
    )
    check_period(template, period, given.project, given.dr_event or given.experiment)
    refuse_future(period, given.as_of_utc, name=f"report {template.template!r}")
    refuse_empty(template, request.sources.lake, site, period, as_of_utc=request.as_of_utc)
    datasets = datasets_for(template, given)
    for peer in (peer for each in datasets.values() for peer in getattr(each, "peers", ())):
        keep_site_version(request.reports.store, peer, site_sha256(peer), request.clock)

    def build(revision: int) -> ReportContent:
        return template_report(template, given, revision=revision, datasets=datasets, run_versions=request.run_versions)

    return request.stored(build, site)


def refuse_empty(
    template: ReportTemplate, lake: Lake, site: Site, period: Period, *, as_of_utc: datetime | None = None
) -> None:
    """Raises BadInput for a period without readings. Not of bills, which may be older than the first reading; that a
    month between others was not read is what the report of data quality is about.
    """
    if "bills" not in template.needs:
        name, is_quality = f"report {template.template!r}", template.template == "data_quality"
        refuse_without_readings(lake, site, period, name=name, as_of_utc=as_of_utc, may_be_gap=is_quality)


def refuse_unknown(formats: Sequence[str]) -> None:
    """Formats that can be rendered, or BadInput."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise BadInput(f"unknown format {unknown[0]!r}; allowed are {', '.join(FORMATS)}", reason="unknown_format")


def render_now(
    content: ReportContent,
    reports: ReportStore,
    out_dir: Path,
    formats: Sequence[str],
    clock: Clock,
    names: Mapping[str, str],
) -> tuple[ReportContent, dict[str, Path]]:
    """Write the formats as the revision stands now. Returns the content with its life, and format to path.

    The digests of files in the project's reports folder are kept, so that an edit of one shows.
    """
    shown = with_revision_state(content, PublicationStore(reports.store), names)

    def keep(path: Path, data: bytes) -> None:
        reports.files.record(path, shown.report_id, shown.revision, hashlib.sha256(data).hexdigest(), clock)

    return shown, render(shown, out_dir, formats, keep)


def render(
    content: ReportContent,
    out_dir: Path,
    formats: Sequence[str],
    keep: Callable[[Path, bytes], None] = lambda _path, _data: None,
) -> dict[str, Path]:
    """Write the formats by atomic rename, each after `keep` was given its path and bytes. Returns format to path."""
    out_dir.mkdir(parents=True, exist_ok=True)
    stem = f"{content.report_id}_r{content.revision}".replace("/", "_")
    files = {}
    for name in formats:
        path = out_dir / f"{stem}{_SUFFIXES.get(name, f'.{name}')}"
        unfinished = path.with_name(f".{path.name}.part")
        data = FORMATS[name](content)
        unfinished.write_bytes(data)
        keep(path, data)
        unfinished.replace(path)
        files[name] = path
    return files
