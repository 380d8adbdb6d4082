"""One look at what is open and one drain of the outbox: what the process of the notices does each minute."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from assets.stores.ledgers.alert_events import AlertEvents
from assets.stores.ledgers.alert_rules import AlertRules
from assets.stores.ledgers.notices import Outbox
from controls.gateways.mqtt_line import Version
from controls.gateways.open import broker_address
from data_quality.contracts.access.permissions import sees_site
from data_quality.contracts.people import Person
from data_quality.contracts.reporting.notice import Channel, Notice, NoticeChoices
from data_quality.contracts.reporting.open_finding import OpenFinding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from orchestration.notices.channels import folder, mail, mqtt, push, webhook
from orchestration.notices.choices import choices_of, may_be_notified
from orchestration.notices.courier import masked
from orchestration.notices.decide import notices_for, withdrawn
from orchestration.notices.drain import Drain, Opened
from orchestration.views.open_findings import FindingsQuery, FindingStatus, open_findings
from orchestration.views.work_orders import orders_to_notify
from reports.pages.tasks import PATH
from reports.texts.locales import page_word

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

_FOLDER = "notices"
Receivers = Mapping[str, tuple[Person, NoticeChoices]]


def people_to_notify(project: "OpenProject") -> dict[str, tuple[Person, NoticeChoices]]:
    """People who want to be told, by person_id: people of the file who may see findings and chose a way."""
    found = {}
    for person in project.people.people:
        if may_be_notified(person):
            choices = choices_of(project.store, person.person_id)
            if choices.ways:
                found[person.person_id] = (person, choices)
    return found


def look(project: "OpenProject", clock: Clock) -> list[Notice]:
    """Ask for a notice of everything that is newly open, to everybody who wants one, and withdraw those that wait and
    are needed no more. Returns those asked for.
    """
    for site in project.sites.values():
        AlertRules(project.store).record(site, clock)
    people, waiting, added = people_to_notify(project), Outbox(project.store).waiting(), list[Notice]()
    for place, site in enumerate(project.sites.values() if people or waiting else ()):
        mine = {name: each for name, each in people.items() if sees_site(each[0], site.site_id)}
        held = waiting.get(site.site_id, [])
        if mine or held:
            # What is of no single site is told once, with the first.
            added += _look_at(project, site, mine, held, clock, with_every_site=place == 0)
    return added


def _look_at(
    project: "OpenProject",
    site: Site,
    receivers: Receivers,
    held: Sequence[Notice],
    clock: Clock,
    *,
    with_every_site: bool,
) -> list[Notice]:
    now_utc, outbox = clock.now_utc(), Outbox(project.store)
    by_locale: dict[str, list[tuple[Person, NoticeChoices]]] = defaultdict(list)
    for person, choices in receivers.values():
        by_locale[choices.locale].append((person, choices))
    due, standing, is_whole = list[Notice](), dict[str, FindingStatus](), True
    link = f"{project.project.settings.server.web_url}/findings?site={site.site_id}"
    for locale, people in by_locale.items():
        found = open_findings(FindingsQuery(project, site, now_utc, locale=locale))
        own = findings = found.standing
        if with_every_site:
            found = open_findings(FindingsQuery(project, site, now_utc, locale=locale, with_every_site=True))
            findings = found.standing
        is_whole &= not found.silent
        standing |= {each.finding.finding_id: each for each in findings}
        cases = _cases(project, outbox, site, findings, clock)
        names = {each.finding.finding_id for each in own}
        for person, choices in people:
            shown = [
                (each, cases[each.finding.finding_id])
                for each in findings
                if not person.sites or each.finding.finding_id in names
            ]
            due += notices_for(
                person, choices, shown,
                worded=partial(_worded, site), link=link,
                time_zone=site.time_zone, now_utc=now_utc,
            )  # fmt: skip
            orders = orders_to_notify(project, site, person.person_id, tuple(receivers))
            standing |= {each.finding.finding_id: each for each, _ in orders}
            due += notices_for(
                person, choices, orders, worded=partial(_worded, site), kind="order", now_utc=now_utc,
                link=f"{project.project.settings.server.web_url}{PATH}?site={site.site_id}", time_zone=site.time_zone,
            )  # fmt: skip
    outbox.record(withdrawn(held, due, standing, receivers=receivers, is_whole=is_whole), clock)
    return outbox.queue(due, clock)


def _cases(
    project: "OpenProject", outbox: Outbox, site: Site, findings: tuple[FindingStatus, ...], clock: Clock
) -> dict[str, str]:
    """Cases by finding with the number of acts: an ended mute or a reopened finding gives a new notice."""
    numbers = outbox.cases(site.site_id, [each.finding.finding_id for each in findings], clock)
    acts = AlertEvents(project.store).of_site(site.site_id)
    return {name: f"{number}.{len(acts.get(name, ()))}" for name, number in numbers.items()}


def _worded(site: Site, finding: OpenFinding, locale: str) -> str:
    """Works: Grid connection: no change in reading (12 EUR)."""
    worth = f" ({page_word(finding.worth, locale)})" if finding.worth and finding.worth not in finding.what else ""
    return f"{site.name}: {page_word(finding.with_mend, locale)}{worth}"


def drain_of(project: "OpenProject", clock: Clock, version: Version = "5") -> Drain:
    """The project's outbox with the channels that its settings name."""
    settings = project.project.settings
    delivery, more = settings.delivery, settings.notices
    ways: dict[Channel, Opened] = {
        "folder": partial(folder.opened, project.project.data_dir / _FOLDER),
        "webhook": partial(webhook.opened, delivery.webhook_secret, delivery.timeout_s, hosts=more.webhook_hosts),
        "mqtt": partial(mqtt.opened, broker_address(settings, version), delivery.timeout_s),
    }
    if delivery.smtp_host and delivery.mail_from:
        ways["mail"] = partial(mail.opened, delivery, clock)
    if more.push_url:
        ways["push"] = partial(push.opened, more.push_url, more.push_token, delivery.timeout_s)
    secrets = (more.push_token, settings.mqtt.password)
    return Drain(
        Outbox(project.store),
        ways,
        clock,
        locale_of=lambda person_id: choices_of(project.store, person_id).locale,
        masked=lambda text: masked(text, delivery, secrets=secrets),
    )
