"""Choices of people for their notices, kept with their other preferences: theirs to erase."""

from typing import TYPE_CHECKING

from pydantic import ValidationError

from assets.stores.transactions import connect_store
from assets.stores.web.preferences import PreferenceStore
from data_quality.contracts.access.permissions import Permission, may, sees_whole_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.reporting.notice import Channel, Contact, NoticeChoices
from data_quality.contracts.settings import Project, Settings
from orchestration.notices.channels.http_post import checked_url

if TYPE_CHECKING:
    from assets.stores.transactions import Store

_NAME = "notices"
# What must be set before a channel leads anywhere; a folder and the broker of `up` always do.
_NEEDS: dict[Channel, tuple[str, ...]] = {
    "mail": ("delivery.smtp_host", "delivery.mail_from"),
    "push": ("notices.push_url",),
}


def choices_of(store: "Store", person_id: str) -> NoticeChoices:
    """Choices of the person; without one nothing is sent."""
    kept = PreferenceStore(store).of_person(person_id).get(_NAME)
    try:
        return NoticeChoices.model_validate(kept or {})
    except ValidationError as fault:
        raise BadInput(f"the notices of {person_id} cannot be read: {fault.error_count()} faults") from fault


def has_receivers(project: Project) -> bool:
    """True where somebody chose a channel. Raises Unreachable."""
    store = connect_store(project.store_url, {})
    try:
        return PreferenceStore(store).has_any(_NAME)
    finally:
        store.close()


def may_be_notified(person: Person) -> bool:
    """True where findings are for the person: a role that reads them, of more than own parts of a site."""
    return may(person, Permission.ANOMALY_READ) and sees_whole_site(person)


def choose(store: "Store", person: Person, choices: NoticeChoices, settings: Settings) -> None:
    """Keep the choices of a person. Raises BadInput for an address that its channel cannot have, a channel that is not
    set, and a person who sees no findings.
    """
    if choices.ways and not may_be_notified(person):
        raise BadInput(f"{person.name} sees no findings: a role that may is needed", reason="missing_role")
    for way in choices.ways:
        check_way(way, settings)
    PreferenceStore(store).put(person.person_id, _NAME, choices.model_dump(mode="json") if choices.ways else None)


def is_set(channel: Channel, settings: Settings) -> bool:
    """True where the settings say where the channel leads."""
    return not _missing(channel, settings)


def _missing(channel: Channel, settings: Settings) -> list[str]:
    return [name for name in _NEEDS.get(channel, ()) if not _setting(settings, name)]


def check_way(way: Contact, settings: Settings) -> None:
    """Raises BadInput for an address that the channel cannot have, and a channel that is not set."""
    if missing := _missing(way.channel, settings):
        raise BadInput(f"{way.channel} needs {missing[0]} in meterloom.yaml", reason="no_channel")
    if way.channel == "mail" and way.address.count("@") != 1:
        raise BadInput(f"{way.address!r} is no mail address", reason="bad_address")
    if way.channel == "webhook":
        checked_url(way.address, "a webhook's address")
    # A topic with a wildcard reaches others, and a folder's name that climbs leaves the project.
    if way.channel in {"mqtt", "push", "folder"} and (set(way.address) & set("#+/\\") or way.address.startswith(".")):
        raise BadInput(
            f"{way.address!r} is no name of a {way.channel} address: letters, digits, - and _", reason="bad_address"
        )


def _setting(settings: Settings, name: str) -> str:
    section, key = name.split(".")
    return str(getattr(getattr(settings, section), key))
