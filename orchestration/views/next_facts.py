"""Facts of a site from the project's stores: input of `meterloom next`. Nothing here imports dbt."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from assets.sites.load_sites import site_file
from assets.sites.placeholders import placeholders
from assets.stores.file_hashes import file_sha256, unseen_files
from assets.stores.published.publications import PublicationStore
from assets.stores.warehouse.marts import read_built
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, local_day, local_midnight_utc
from orchestration.views.control_facts import control_facts
from reports.gates import SYNTHETIC
from reports.lifecycle.control_steps import ControlFacts
from reports.lifecycle.next_steps import REPORT, Facts, Member, Printed, Refused, Span, Use, Waiting

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

# A step names them all: more are a delivery, which the sensor takes in.
MAX_FILES = 20


def facts_of(project: "OpenProject", site: Site, *, option: str, folder: Path, clock: Clock) -> Facts:
    """Everything that next_steps decides on. folder: the project's, as one types it."""
    root = project.project.root
    own_file = _shown(site_file(project.project.sites_dir, site.site_id, project.cache), root, folder)
    people_file = _shown(project.project.people_file, root, folder)
    spans = {
        name: _local_days(first, last, site.time_zone)
        for name, (first, last) in project.lake.stream_spans(site.site_id).items()
    }
    read = [meter.meter_id for meter in site.meters if not meter.is_virtual]
    return Facts(
        option=option,
        site_id=site.site_id,
        site_file=own_file,
        people_file=people_file,
        today=local_day(clock.now_utc(), site.time_zone),
        waiting=(*_waiting(own_file), *_waiting(people_file)),
        unseen=_unseen(project, site, folder, spans),
        refused=tuple(_refused(project, site.site_id)),
        meters=tuple(read),
        drivers=tuple(driver.driver_id for driver in site.drivers),
        spans=spans,
        unpriced=_unpriced(site, spans),
        unfactored=_unfactored(project, site, spans),
        has_marts=site.site_id in read_built(project.project.marts_dir, "kpi", project.cache).sites,
        uses=tuple(_uses(project, site)),
        people=tuple(
            Member(person_id=each.person_id, roles=each.roles, has_key=bool(each.public_key))
            for each in project.people.people
        ),
        printed=_printed(project, site.site_id),
        control=control_facts(project, site, option, clock) if site.assets else ControlFacts(planned=()),
    )


def _shown(path: Path, root: Path, folder: Path) -> str:
    """The path as one would type it: the project's folder is named as the command named it."""
    return str(folder / path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _waiting(file: str) -> list[Waiting]:
    return [
        Waiting(file=file, line=each.line, what=each.message.removeprefix("placeholder: "))
        for each in placeholders(Path(file))
    ]


def _unseen(project: "OpenProject", site: Site, folder: Path, spans: dict[str, Span]) -> tuple[str, ...]:
    """Files that the lake has not seen: in the landing folder, and, while streams have no readings, where one works."""
    known = (project.quarantine.refused_sources(), project.lake.known_sources().get(site.site_id, set()))
    landed = unseen_files(project.project, site.site_id, known, project.cache, limit=MAX_FILES)
    found = {sha256: _shown(Path(path), project.project.root, folder) for sha256, path in landed.items()}
    if any(name not in spans for name in site.stream_ids()):
        for path in _matching(site, [Path(), folder.parent if folder.name else Path("..")]):
            sha256 = file_sha256(path)
            if not any(sha256 in each for each in known):
                found.setdefault(sha256, str(path))
    return tuple(found.values())[:MAX_FILES]


def _matching(site: Site, places: Iterable[Path]) -> Iterable[Path]:
    """Files whose names the site's column maps wait for, in these folders and those in them."""
    names = [each.match for each in site.column_maps if each.match and "/" not in each.match]
    found = [path for place in places for name in names for path in (*place.glob(name), *place.glob(f"*/{name}"))]
    return dict.fromkeys(path for path in found if path.is_file())


def _refused(project: "OpenProject", site_id: str) -> Iterable[Refused]:
    from assets.readings.drafts.map_draft import PROPOSED_FOR

    by_file: dict[str, list[dict[str, object]]] = {}
    for item in project.quarantine.items(site_id, is_open=True):
        by_file.setdefault(item["source_sha256"], []).append(item)
    for items in by_file.values():
        first = items[0]
        rows = sum(int(str(item["row_count"])) for item in items if item["kind"] == "row")
        yield Refused(
            item_id=str(first["item_id"])[:12],
            source_name=str(first["source_name"]),
            message=str(first["message"]),
            rows=rows,
            is_mappable=first["kind"] == "file" and first["reason"] in PROPOSED_FOR,
        )


def _local_days(first: datetime, last: datetime, time_zone: str) -> Span:
    """Whole local days between two instants: the first that begins, the first that is not over."""
    start = local_day(first, time_zone)
    if local_midnight_utc(start, time_zone) < first:
        start += timedelta(days=1)
    return start, local_day(last, time_zone)


# Carriers that are sold by tariffs everywhere. Steam, cooling and air are often a share of a rent, and need none.
_ASKED_FOR = ("electricity", "natural_gas", "heat", "water")


def _unpriced(site: Site, spans: dict[str, Span]) -> dict[str, Span]:
    from assets.tariffs.periods import price_stream_of, tariffs_of

    found = {}
    for carrier in dict.fromkeys(meter.carrier for meter in site.meters if meter.carrier in _ASKED_FOR):
        if price_stream_of(site, carrier):
            continue
        read = [spans[m.meter_id] for m in site.meters if m.carrier is carrier and m.meter_id in spans]
        held = [(tariff.valid_from, tariff.valid_to) for tariff in tariffs_of(site, carrier)]
        if gap := _first_gap(read, held):
            found[carrier.value] = gap
    return found


def _unfactored(project: "OpenProject", site: Site, spans: dict[str, Span]) -> dict[str, Span]:
    from assets.carbon.factor_choice.factor_view import known_factors, meter_factors
    from data_quality.contracts.site_file.meter import Carrier

    held: dict[str, list[Span]] = {}
    for factor in meter_factors(site, known_factors(site, project.lake.store)):
        held.setdefault(factor.meter_id, []).append((factor.start, factor.end))
    found: dict[str, Span] = {}
    for meter in site.meters:
        if meter.carrier is Carrier.WATER or meter.is_made_on_site or meter.meter_id not in spans:
            continue
        gap = _first_gap([spans[meter.meter_id]], sorted(held.get(meter.meter_id, [])))
        if gap is not None:
            found.setdefault(meter.carrier.value, gap)
    return found


def _first_gap(read: list[Span], held: Iterable[Span]) -> Span | None:
    """The first days with readings that nothing holds on. held: in order."""
    if not read:
        return None
    at, after = min(first for first, _ in read), max(last for _, last in read)
    for start, end in held:
        if start > at:
            return (at, min(start, after)) if at < after else None
        at = max(at, end)
    return (at, after) if at < after else None


def _uses(project: "OpenProject", site: Site) -> Iterable[Use]:
    from assets.kpi.enpi.stale_baselines import stale_baselines

    stale = stale_baselines([site], lake=project.lake, baselines=project.baselines).get(site.site_id, {})
    for seu in site.seus:
        if not seu.is_active:
            continue
        meters = [name for name in seu.meters if (meter := site.meter(name)) is not None and not meter.is_virtual]
        newest = project.baselines.latest(site.site_id, seu.seu_id)
        yield Use(
            seu_id=seu.seu_id,
            name=seu.name,
            streams=(*meters, *(driver.driver_id for driver in seu.drivers)),
            training=(seu.baseline.start, seu.baseline.end) if seu.baseline is not None else None,
            status=newest.status.value if newest is not None else "",
            fitted_by=newest.fitted_by if newest is not None else "",
            blocking=tuple(f.code for f in newest.baseline.findings if f.is_blocking) if newest is not None else (),
            is_stale=seu.seu_id in stale,
        )


def _printed(project: "OpenProject", site_id: str) -> dict[str, Printed]:
    from reports.evidence.lifecycle import revision_state_at
    from reports.figures.trace import stale_revisions

    publications, packs = PublicationStore(project.store), PublicationStore(project.store).packs(site_id)
    newest = {each.period: each for each in project.reports.revisions(site_id, name=REPORT)}
    # Those before the last were looked at when they were: to ask every one of them would take long.
    periods = sorted(newest)[-1:]
    found = {}
    for period in periods:
        each = newest[period]
        key = (each.report_id, each.revision)
        stale = stale_revisions(project.reports, project.sources(), only=[key])[key]
        life = revision_state_at(publications, *key, {})
        blockers = {f["code"]: f["message"] for f in each.content["findings"] if f["severity"] == "blocking"}
        found[period] = Printed(
            status=life.status,
            maker=publications.maker(*key),
            reviewer=life.reviewed.person_id if life.reviewed is not None else None,
            is_stale=bool(stale),
            is_packed=any((link.report_id, link.revision) == key for link in packs),
            is_synthetic=SYNTHETIC in blockers,
            blocking=tuple(message for code, message in blockers.items() if code != SYNTHETIC),
        )
    return found
