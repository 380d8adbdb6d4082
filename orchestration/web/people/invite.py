"""Invitations: who gets the first one, and where its link leads. Free of the web process, for the command line."""

from datetime import datetime

from assets.stores.web.audit_events import AuditEvent, note_event
from assets.stores.web.credentials import INVITED_FOR, CredentialStore
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock
from orchestration.open_project import OpenProject


def invitation_link(
    project: OpenProject, person: Person, clock: Clock, *, base_url: str = "", by: str = ""
) -> tuple[str, datetime]:
    """A new invitation of the person as a link, and until when it holds. base_url: else that of the settings; by: the
    person who makes it, where one is signed in.
    """
    until_utc = clock.now_utc() + INVITED_FOR
    with project.store.together():
        token = CredentialStore(project.store).invite(person.person_id, clock)
        event = AuditEvent(person_id=by, method="", route="web invite", subject=person.person_id, outcome="invited")
        note_event(project.store, clock, event)
    return f"{base_url or project.project.settings.server.web_url}/invitation/{token}", until_utc


def first_invited(project: OpenProject) -> Person | None:
    """Who is invited where nobody has a password yet: who lets others in, else who sees most; None where one has."""
    if CredentialStore(project.store).anybody():
        return None
    ranks = (Role.ADMIN, Role.ENGINEER, Role.OPERATOR, Role.APPROVER, Role.ANALYST)
    of_rank = (each for rank in ranks for each in project.people.people if rank in each.roles)
    return next(of_rank, next((each for each in project.people.people if each.roles), None))
