"""Invitations and resets: who gets the first one, and where its link leads. Free of the web process, for the shell."""

from datetime import datetime

from assets.stores.web.audit_events import AuditEvent, note_event
from assets.stores.web.credentials import INVITED_FOR, CredentialStore
from assets.stores.web.logins import LoginStore
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock
from orchestration.open_project import OpenProject

# How the acts stand in the audit trail.
INVITED, RESET = "web invite", "web reset"


def invitation_link(
    project: OpenProject, person: Person, clock: Clock, *, base_url: str = "", by: str = "", is_reset: bool = False
) -> tuple[str, datetime]:
    """A new invitation of the person as a link, and until when it holds. base_url: else that of the settings; by: the
    person who makes it, where one is signed in. is_reset: of somebody who has a password, which opens nothing from now
    on; their sign-ins end too.

    Raises BadInput: has_password where an invitation would replace a password unasked, missing_role for somebody
    without a role.
    """
    if not person.roles:
        raise BadInput(f"{person.name} has no role, so there is nothing to see", reason="missing_role",
                       mend="give a role first")  # fmt: skip
    until_utc = clock.now_utc() + INVITED_FOR
    with project.store.together():
        credentials = CredentialStore(project.store)
        if not is_reset and credentials.password_of(person.person_id):
            raise BadInput(
                f"{person.name} has a password, which an invitation does not replace",
                reason="has_password",
                mend=f"reset it: 'Reset password' under People, or 'meterloom web reset {person.person_id}'",
            )
        token = credentials.invite(person.person_id, clock, is_reset=is_reset)
        if is_reset:
            LoginStore(project.store).end(clock.now_utc(), person_id=person.person_id)
        route, outcome = (RESET, "reset") if is_reset else (INVITED, "invited")
        event = AuditEvent(person_id=by, method="", route=route, subject=person.person_id, outcome=outcome)
        note_event(project.store, clock, event)
    return f"{base_url or project.project.settings.server.web_url}/invitation/{token}", until_utc


def first_invited(project: OpenProject) -> Person | None:
    """Person to invite where nobody has a password yet: who lets others in, else who sees most; None where one has."""
    if CredentialStore(project.store).anybody():
        return None
    ranks = (Role.ADMIN, Role.ENGINEER, Role.OPERATOR, Role.APPROVER, Role.ANALYST)
    of_rank = (each for rank in ranks for each in project.people.people if rank in each.roles)
    return next(of_rank, next((each for each in project.people.people if each.roles), None))
