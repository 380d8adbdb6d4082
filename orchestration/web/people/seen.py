"""People, API keys and settings as somebody may see them: what pages and API list."""

import os
from collections.abc import Sequence
from datetime import UTC, timedelta

from assets.sites.load_sites import broken_sites
from assets.stores.api_keys import ApiKeyStore
from assets.stores.sign import fingerprint
from assets.stores.web.audit_events import newest_events
from assets.stores.web.credentials import CredentialStore
from assets.stores.web.logins import LoginStore
from data_quality.contracts.access.permissions import Permission, lets_in, may
from data_quality.contracts.effective_settings import EffectiveSetting, effective_settings
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.settings import SETTINGS_FILE, load_settings
from orchestration.web.problems import ACCESS
from orchestration.web.request_context import Context
from reports.pages.key_list import ListedKey
from reports.pages.people_list import AccessRequest, KnownPerson
from reports.texts.locales import moment

# How long a request for access stands on the pages.
REQUEST_STANDS = timedelta(days=30)


def people_of(ctx: Context) -> list[Person]:
    """Whom the person may let in: everybody, or those of their own sites alone."""
    return [each for each in ctx.project.people.people if lets_in(ctx.person, each)]


def known_people(ctx: Context) -> list[KnownPerson]:
    """People whom the person may let in, and how each of them is known."""
    credentials, logins = CredentialStore(ctx.project.store), LoginStore(ctx.project.store)
    return [
        KnownPerson(
            each, fingerprint(each.public_key), bool(credentials.password_of(each.person_id)),
            len(logins.of_person(each.person_id)),
        )
        for each in people_of(ctx)
    ]  # fmt: skip


def access_requests(ctx: Context, people: Sequence[Person]) -> list[AccessRequest]:
    """Permissions that these people requested in the last days and still lack, the newest first, each once."""
    names, found = {each.person_id: each for each in people}, dict[tuple[str, str], AccessRequest]()
    for row in newest_events(ctx.project.store, most=500, about=(ACCESS, "")):
        person, wanted, at_utc = names.get(row["person_id"]), row["subject"], row["recorded_at_utc"]
        is_open = row["outcome"] == "303" and ctx.now_utc - at_utc.astimezone(UTC) < REQUEST_STANDS
        if person is not None and is_open and wanted in list(Permission) and not may(person, Permission(wanted)):
            at_text = f"{moment(at_utc, ctx.address.locale)} UTC"
            found.setdefault((person.person_id, wanted), AccessRequest(person.name, Permission(wanted), at_text))
    return list(found.values())


def listed_keys(ctx: Context) -> list[ListedKey]:
    """Keys that the person may know of, the newest first."""
    store, me = ApiKeyStore(ctx.project.store), ctx.person
    used, names, sites = store.last_used(), ctx.project.names, set(ctx.sites())
    is_engineer = Role.ENGINEER in me.roles
    return [
        ListedKey(each, names.get(each.person_id, each.person_id), each.state(ctx.now_utc), used.get(each.key_id))
        for each in reversed(store.recorded())
        if each.person_id == me.person_id or (is_engineer and (not me.sites or sites.issuperset(each.sites)))
    ]


def visible_settings(ctx: Context) -> tuple[list[EffectiveSetting] | None, bool, list[tuple[str, str]]]:
    """The settings, or None for who is not shown them; whether the file says something else since this process
    started; id and name of the sites whose file the person may edit.
    """
    project = ctx.project.project
    path = project.root / SETTINGS_FILE
    # What a mail server or a disk is called is nobody's who sees some sites alone.
    is_shown = may(ctx.person, Permission.PEOPLE_ADMIN) and not ctx.person.sites
    shown = effective_settings(path, os.environ) if is_shown else None
    is_changed = shown is not None and load_settings(path, os.environ) != project.settings
    return shown, is_changed, editable_files(ctx) if may(ctx.person, Permission.WRITE) else []


def editable_files(ctx: Context) -> list[tuple[str, str]]:
    """Id and name of the sites whose file the person may edit; while one cannot be read, id and file of those that
    cannot, for who sees all sites: what a broken file is of, nobody can tell.
    """
    try:
        return [(each, site.name) for each, site in ctx.sites().items()]
    except BadInput:
        broken = {} if ctx.person.sites else broken_sites(ctx.project.project.sites_dir)
        if not broken:
            raise
        return [(each, path.name) for each, path in broken.items()]
