"""Audit trail as sentences: acts out of their ledgers, sign-ins and refusals out of the pages' own."""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from assets.stores.erasure.record import ERASURES
from assets.stores.ledgers.alert_events import AlertEvents
from assets.stores.published.publications import PublicationStore
from assets.stores.retention import REMOVALS
from assets.stores.schema.tables_control import fault_events, hold_events
from assets.stores.web.audit_events import newest_events
from controls.ledger.modes import events_of_site, holiday_history, mode_history
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.sentence import Numeral, Sentence, sentences
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone
from orchestration.web.library.baseline_lines import baseline_lines, person_name
from orchestration.web.library.report_lines import report_title
from orchestration.web.people.invite import RESET
from orchestration.web.request_context import Context
from reports.evidence.lifecycle import names_then
from reports.pages import devices, findings, report_library
from reports.pages.address import Address
from reports.pages.audit_trail import Kind, TrailLine
from reports.texts.locales import long_date, named, span_text, weekday_date

# More lines of the pages' own than a page of the trail has: those about acts stand in the ledgers, and are left out.
_READ = 400
_FINDING = {
    "acknowledged": "{0} acknowledged a finding of {1}: {2}", "muted": "{0} muted a finding of {1}: {2}",
    "explained": "{0} explained a finding of {1}: {2}", "reopened": "{0} reopened a finding of {1}: {2}",
    "closed": "{0} closed a finding of {1}: {2}",
    "disputed": "{0} disputed a bill of {1}: {2}", "accepted": "{0} accepted a bill of {1}: {2}",
}  # fmt: skip
_STEP = {
    "reviewed": "{0} reviewed {1} {2} of {3}", "returned": "{0} returned {1} {2} of {3}",
    "published": "{0} published {1} {2} of {3}", "withdrawn": "{0} withdrew {1} {2} of {3}",
}  # fmt: skip
_ROUTE = {
    "/login": "{0} signed in", "/logout": "{0} signed out", "/invitation/{token}": "{0} accepted an invitation",
    "/profile/out": "{0} ended a sign-in", "/profile/password": "{0} changed their password",
    "/profile/key/adopt": "{0} adopted the acts from before people had keys",
    "/keys/issue": "{0} made an API key", "/keys/revoke": "{0} revoked an API key",
    "/settings/sites/{site}": "{0} changed the site file",
    "/demand-response": "{0} recorded an event of demand response", "/data/map": "{0} mapped columns of a meter file",
    "/start/map": "{0} mapped columns of a meter file", "/data/accept": "{0} accepted meter files",
    "/why/keep": "{0} kept a figure", "/upload/bill/add": "{0} uploaded a bill",
    "/board/audit/verify": "{0} verified evidence packs", "/board/audit/draw": "{0} recomputed random figures",
}  # fmt: skip
_REFUSED = ("4", "5")
_ABOUT = {
    "web invite": "{0} invited {1}", "web reset": "{0} reset the password of {1}",
    "/profile/key/new": "{0} made their signing key: {1}",
    "/people/out": "{0} ended the sign-ins of {1}", "/people/roles": "{0} changed the roles of {1}",
    "/people/add": "{0} added {1}", "people add": "{0} added {1}",
    "/people/sites": "{0} changed the sites of {1}", "people change": "{0} changed the rights of {1}",
    "/people/reset": "{0} reset the password of {1}",
    "/people/withdraw": "{0} withdrew the access of {1}", "people withdraw": "{0} withdrew the access of {1}",
    "/profile/access": "{0} asked for {1}",
}  # fmt: skip
_ERASED = {
    "recorded": "{0} erased {1}", "replayed": "{1} was erased again after a restore, as {0} had erased it",
    "finished": "{0} finished the erasure of {1}",
}  # fmt: skip
# Done, they stand in a ledger of their own or change nothing that anybody else sees.
_ELSEWHERE = (
    "/reports/", "/baselines/", "/enpi/", "/bills/", "/findings/", "/devices/", "/profile/", "/people/",
    "/upload/bill/preview",
)  # fmt: skip


def trail(ctx: Context, sites: Mapping[str, Site], kind: Kind, before_utc: datetime | None) -> list[TrailLine]:
    """Lines of these sites, the newest first; of one kind where one is named, older than `before_utc` where that is."""
    known = [each for each in (before_utc, ctx.address.as_of_utc) if each is not None]
    until_utc = min(known) if known else None
    names = ctx.project.names
    found: list[TrailLine] = []
    for of_kind, (needs, read) in _LEDGERS.items():
        if kind in ("", of_kind) and may(ctx.person, needs):
            found += read(ctx, sites, names)
    if kind in ("", "access"):
        found += [*_access(ctx, until_utc, names), *_taken_away(ctx, names)]
    shown = [each for each in found if until_utc is None or each.at_utc < until_utc]
    return sorted(shown, key=lambda each: each.at_utc, reverse=True)


def _reports(ctx: Context, sites: Mapping[str, Site], names: Mapping[str, str]) -> Iterator[TrailLine]:
    publications, locale = PublicationStore(ctx.project.store), ctx.address.locale
    subjects = {
        name: of for name, of in ctx.selected_subjects().items() if name in sites or of.organisation is not None
    }
    for report_id, revision in publications.statuses(as_of_utc=ctx.address.as_of_utc):
        name, site_id, period = report_id.split("/", 2)
        if site_id not in subjects:
            continue
        place = Address(path=report_library.PATH, site=site_id, locale=locale)
        for each in publications.decisions(report_id, revision, as_of_utc=ctx.address.as_of_utc):
            title = report_title(ctx, name)
            span = span_text(period, subjects[site_id].time_zone, locale)
            person = person_name(each.person_id, names_then([each], names))
            what = Sentence(_STEP[each.step], person, title, span, named(subjects[site_id].name))
            href = place.href(report=f"{report_id}@{revision}", all="1")
            yield TrailLine(each.recorded_at_utc, what, "reports", href, each.reason, subjects[site_id].time_zone)


def _findings(ctx: Context, sites: Mapping[str, Site], names: Mapping[str, str]) -> Iterator[TrailLine]:
    events = AlertEvents(ctx.project.store)
    for site_id, site in sites.items():
        place = Address(path=findings.PATH, site=site_id, locale=ctx.address.locale)
        for acts in events.of_site(site_id, as_of_utc=ctx.address.as_of_utc).values():
            for each in acts:
                text = Sentence(
                    _FINDING[each.act], person_name(each.person_id, names), named(site.name), named(each.what)
                )
                href = place.href(f"{findings.PATH}/{each.finding_id}")
                yield TrailLine(each.recorded_at_utc, text, "findings", href, each.reason, site.time_zone)


def _modes(ctx: Context, sites: Mapping[str, Site], names: Mapping[str, str]) -> Iterator[TrailLine]:
    for site_id, site in sites.items():
        href = Address(path=devices.PATH, site=site_id, locale=ctx.address.locale).href()
        for each in mode_history(ctx.project.store, site_id, as_of_utc=ctx.address.as_of_utc):
            place = named(f"{site.name}, {each['device_id']}" if each["device_id"] else site.name)
            second = person_name(each["approved_by"], names) if each["approved_by"] else ""
            text = devices.act_text(each, person_name(each["person_id"], names), place, "", second)
            yield TrailLine(each["recorded_at_utc"], text, "devices", href, each["reason"], site.time_zone)
        yield from _holidays(ctx, site, names, href)
        yield from _overrides(ctx, site, names)


def _holidays(ctx: Context, site: Site, names: Mapping[str, str], href: str) -> Iterator[TrailLine]:
    before: datetime | None = None
    for each in holiday_history(ctx.project.store, site.site_id, as_of_utc=ctx.address.as_of_utc):
        person, where, until_utc = person_name(each["person_id"], names), named(site.name), each["until_utc"]
        text = Sentence("{0} ended the holiday of {1}", person, where)
        if until_utc is not None:
            until = weekday_date(until_utc.astimezone(zone(site.time_zone)), ctx.address.locale)
            is_moved = before is not None and before > each["recorded_at_utc"]
            pattern = "{0} changed the holiday of {1}: until {2}" if is_moved else "{0} set a holiday of {1} until {2}"
            text = Sentence(pattern, person, where, until)
        before = until_utc
        yield TrailLine(each["recorded_at_utc"], text, "devices", href, each["reason"], site.time_zone)


def _overrides(ctx: Context, site: Site, names: Mapping[str, str]) -> Iterator[TrailLine]:
    """Acts of persons on devices: by hand, paused, given back, and faults that they acknowledged."""
    called = {each.asset_id: each.name or each.asset_id for each in site.assets}
    address = Address(path=devices.PATH, site=site.site_id, locale=ctx.address.locale)
    for table in (hold_events, fault_events):
        for each in events_of_site(ctx.project.store, table, site.site_id, as_of_utc=ctx.address.as_of_utc):
            if each["person_id"] is None:
                continue
            device, until = each["device_id"], each.get("until_utc")
            end = "" if until is None else weekday_date(until.astimezone(zone(site.time_zone)), ctx.address.locale)
            place = named(f"{site.name}, {called.get(device, device)}" if device else site.name)
            text = devices.act_text(each, person_name(each["person_id"], names), place, end)
            href = devices.address_of(device, address) if device in called else address.href()
            yield TrailLine(each["recorded_at_utc"], text, "devices", href, each["reason"], site.time_zone)


def _access(ctx: Context, until_utc: datetime | None, names: Mapping[str, str]) -> list[TrailLine]:
    # Who may see some sites alone is told what was done about them, and who asks for one site too.
    sites: Collection[str] = ctx.person.sites or ((ctx.address.site,) if ctx.address.site else ())
    last = None if until_utc is None else until_utc - timedelta(microseconds=1)
    rows = newest_events(ctx.project.store, most=_READ, sites=sites, as_of_utc=last)
    found = []
    for row in rows:
        what = _of_route(row, person_name(row["person_id"], names))
        if what:
            key = Sentence("key {0}", row["key_id"]) if row["key_id"] else ""
            about = named(row["subject"]) if row["subject"] != row["person_id"] and row["route"] not in _ABOUT else ""
            # How it ended is worth a word where it was refused.
            refusal = named(row["outcome"]) if row["outcome"].startswith(_REFUSED) else ""
            note = sentences([about, refusal, key], " · ") if about or refusal or key else ""
            found.append(TrailLine(row["recorded_at_utc"].astimezone(UTC), what, "access", "", note, "UTC"))
    return found


def _taken_away(ctx: Context, names: Mapping[str, str]) -> Iterator[TrailLine]:
    """Files that retention removed, and erasures. They are of all sites, and told to people who see all."""
    if ctx.person.sites:
        return
    store, as_of_utc = ctx.project.store, ctx.address.as_of_utc
    for row in REMOVALS.rows(store, as_of_utc=as_of_utc):
        person = person_name(row["person_id"], names) if row["person_id"] else Sentence("The schedule")
        counts = (Numeral(f"{row['files']:,}"), Numeral(f"{row['bytes']:,}"))
        what = Sentence("{0} removed old files of {1}: {2}, {3} bytes", person, Sentence(row["class_name"]), *counts)
        span = Sentence(
            "last changed from {0} to {1}",
            *(long_date(row[at], ctx.address.locale) for at in ("oldest_utc", "newest_utc")),
        )
        note = sentences([named(row["reason"]), span], " · ")
        yield TrailLine(row["recorded_at_utc"].astimezone(UTC), what, "access", "", note, "UTC")
    for row in ERASURES.rows(store, as_of_utc=as_of_utc):
        text = Sentence(_ERASED[row["step"]], person_name(row["person_id"], names), named(row["subject"]))
        yield TrailLine(row["recorded_at_utc"].astimezone(UTC), text, "access", "", named(row["reason"]), "UTC")


def _of_route(row: Mapping[str, Any], person: str) -> str:
    """The sentence of a line of the pages' own; empty for what stands elsewhere."""
    route, is_done = row["route"], not row["outcome"].startswith(_REFUSED)
    if not is_done:
        return Sentence("{0} was refused: {1}", person, named(f"{row['method']} {route}"))
    if route == RESET and row["person_id"]:
        # The page's own line has the reason too.
        return ""
    if route in _ABOUT:
        return Sentence(_ABOUT[route], person, named(row["subject"]))
    if route in _ROUTE:
        return Sentence(_ROUTE[route], person)
    if row["method"] == "GET":
        return Sentence("{0} downloaded {1}", person, named(route))
    return "" if route.startswith(_ELSEWHERE) else Sentence("{0} sent {1}", person, named(f"{row['method']} {route}"))


# What each ledger asks for: the trail tells nobody what its own page would not.
_LEDGERS: dict[
    str, tuple[Permission, Callable[[Context, Mapping[str, Site], Mapping[str, str]], Iterator[TrailLine]]]
] = {
    "reports": (Permission.REPORT_READ, _reports),
    "baselines": (Permission.BASELINE_READ, baseline_lines),
    "findings": (Permission.ANOMALY_READ, _findings),
    "devices": (Permission.DISPATCH_READ, _modes),
}
