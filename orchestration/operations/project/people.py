"""`meterloom people`: somebody added to the people file, their roles and places changed, their access withdrawn.

Every act is of an admin, and about people of that admin's sites; the text before is kept with who replaced it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Annotated

from assets.sites.edit_people import expect_admin, with_person, with_words
from assets.sites.edit_site import rewritten, text_tag
from assets.sites.load_sites import load_people, unknown_site
from data_quality.contracts.access.permissions import lets_in, sees_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import People, Person, Role
from data_quality.contracts.sentence import Sentence
from orchestration.operations.answer import Answer
from orchestration.operations.operation import ACTS, Argument, Call, Option, operation
from orchestration.operations.project.check import problems_in
from orchestration.operations.signing import PROJECT_KEY, people_record

_ID = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,63}")
LONGEST_NAME = 80
SITES_HELP = "Site that the person sees; several are possible."


@operation("people add", takes=ACTS, example='eva "Eva Engineer" --role engineer --site factory --as anna')
def people_add(
    call: Call,
    person: Annotated[str, Argument("Id of the person, as acts are kept under it.", metavar="PERSON")],
    name: Annotated[str, Argument("Name of the person.", metavar="NAME")],
    role: Annotated[list[str], Option("Role; several are possible.")],
    site: Annotated[list[str] | None, Option(SITES_HELP)] = None,
    all_sites: Annotated[bool, Option("The person sees all sites.")] = False,
    tenant: Annotated[list[str] | None, Option("Tenant whose parts that role sees.")] = None,
) -> Answer:
    """Add a person to the people file; 'meterloom web invite PERSON' then makes the link to a password."""
    sites = _either(site, all_sites=all_sites) or ()
    answer = person_added(call, person, name, [role_of(each) for each in role], sites, tenant or ())
    return _noted(call, "people add", person, answer)


@operation("people change", takes=ACTS, example="ben --give approver --as anna")
def people_change(
    call: Call,
    person: Annotated[str, Argument("person_id of the people file.", metavar="PERSON")],
    give: Annotated[list[str] | None, Option("Role to give; several are possible.")] = None,
    take: Annotated[list[str] | None, Option("Role to take away; several are possible.")] = None,
    site: Annotated[list[str] | None, Option(SITES_HELP)] = None,
    all_sites: Annotated[bool, Option("The person sees all sites.")] = False,
    tenant: Annotated[list[str] | None, Option("Tenant whose parts the role tenant sees.")] = None,
) -> Answer:
    """Give roles, take them away, or name the sites and tenants that a person sees instead of the present ones."""
    given, taken = ([role_of(each) for each in roles or ()] for roles in (give, take))
    sites = _either(site, all_sites=all_sites) if site or all_sites else None
    if not (given or taken or sites is not None or tenant):
        raise BadInput("name what changes: --give, --take, --site, --all-sites or --tenant", reason="bad_request")
    answer = rights_changed(call, person, give=given, take=taken, sites=sites, tenants=tenant)
    return _noted(call, "people change", person, answer)


@operation("people withdraw", takes=ACTS, example='ben --as anna --reason "left the company"')
def people_withdraw(
    call: Call,
    person: Annotated[str, Argument("person_id of the people file.", metavar="PERSON")],
    reason: Annotated[str, Option("Reason, for the audit trail.")],
) -> Answer:
    """End a person's access: roles, password, sign-ins and API keys. Name and public key stay, so that their acts
    count.
    """
    return _noted(call, "people withdraw", f"{person}: {reason}", access_withdrawn(call, person, reason=reason))


def role_of(text: str) -> Role:
    """The role of that name. Raises BadInput."""
    if text not in list(Role):
        known = ", ".join(Role)
        raise BadInput(Sentence("there is no role {0}; roles are {1}", repr(text[:40]), known), reason="bad_request")
    return Role(text)


def person_added(
    call: Call, person_id: str, name: str, roles: Sequence[Role], sites: Sequence[str], tenants: Sequence[str] = (),
    *, seen: str = "",
) -> Answer:  # fmt: skip
    """Add a person to the people file. sites: none for all; seen: the tag of the file that the asker looked at.

    Raises BadInput: bad_id, bad_name, exists, id_used, no_role, unknown_site, unknown_tenant, bad_roles, changed_since.
    """
    call.acting(Role.ADMIN)
    if not _ID.fullmatch(person_id) or person_id == PROJECT_KEY:
        raise BadInput(
            Sentence("{0} is no id of a person: expected letters a-z, digits, '_', '.', '-'", repr(person_id[:40])),
            reason="bad_id",
        )  # fmt: skip
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise BadInput(
            Sentence("expected a name of 1 to {0} printable characters", LONGEST_NAME), reason="bad_name"
        )  # fmt: skip
    if not roles:
        raise BadInput(Sentence("name a role: without one there is nothing to see"), reason="no_role")
    # Its readers say what is wrong with it, where something is.
    person = Person.model_construct(
        person_id=person_id, name=name, roles=tuple(dict.fromkeys(roles)), sites=tuple(sites), tenants=tuple(tenants)
    )

    if any(each.person_id == person_id for each in call.project.people.people):
        raise BadInput(
            Sentence("{0} is in the people file already", person_id), reason="exists",
            mend=Sentence("choose another id; whoever has no password yet is invited under People"),
        )  # fmt: skip
    if _has_acted(call, person_id):
        raise BadInput(
            Sentence("{0} was somebody's id before, and what they did stands under it", person_id),
            reason="id_used", mend=Sentence("choose another id"),
        )  # fmt: skip
    _rewritten(call, seen, lambda _, text, file: with_person(text, person, file=file), person)
    shown = person.model_dump(include={"person_id", "name", "roles", "sites", "tenants"})
    return Answer(shown, text=f"{name} ({person_id}) is added")


def rights_changed(
    call: Call, person_id: str, *, give: Sequence[Role] = (), take: Sequence[Role] = (),
    sites: Sequence[str] | None = None, tenants: Sequence[str] | None = None, seen: str = "",
) -> Answer:  # fmt: skip
    """Change roles, sites and tenants of a person; None: as they are. Their sign-ins end with the rights they had.

    Raises BadInput: own_work, unknown_person, last_admin, unknown_site, unknown_tenant, bad_roles, changed_since.
    """
    held, seen = _other(call, person_id, seen)
    roles = (*(each for each in held.roles if each not in {*give, *take}), *dict.fromkeys(give))
    places = {"sites": sites, "tenants": tenants}
    update = {"roles": roles} | {key: tuple(dict.fromkeys(each)) for key, each in places.items() if each is not None}
    _replaced(call, held, update, seen)
    return Answer({"person_id": person_id, **update}, text=f"rights of {held.name} are changed")


def access_withdrawn(call: Call, person_id: str, *, reason: str, seen: str = "") -> Answer:
    """End a person's access, now and for good: roles in the file, and what the store holds to come in with.

    Raises BadInput: missing_reason, own_work, unknown_person, last_admin, changed_since.
    """
    from assets.stores.api_keys import ApiKeyStore
    from assets.stores.web.credentials import CredentialStore
    from assets.stores.web.logins import LoginStore

    if not reason.strip():
        raise BadInput(Sentence("to withdraw access needs a reason"), reason="missing_reason")
    held, seen = _other(call, person_id, seen)
    me, store, clock = call.acting(Role.ADMIN), call.project.store, call.clock
    # First the roles: whatever fails behind them, nothing is seen any more.
    _replaced(call, held, {"roles": ()}, seen)
    with store.together():
        # Ends the password and every link to one; nobody is told the new link.
        CredentialStore(store).invite(person_id, clock, is_reset=True)
        ended = LoginStore(store).end(clock.now_utc(), person_id=person_id)
    keys = ApiKeyStore(store)
    theirs = [each for each in keys.recorded() if each.person_id == person_id and not each.is_revoked]
    for each in theirs:
        keys.revoke(each.key_id, person_id=me.person_id, reason=reason, clock=clock)
    result = {"person_id": person_id, "sign_ins_ended": ended, "keys_revoked": [each.key_id for each in theirs]}
    return Answer(result, text=f"{held.name} has no access any more")


def _replaced(call: Call, held: Person, update: dict[str, tuple[str, ...]], seen: str) -> None:
    """Put the person's other rights into the file."""

    def change(people: People, text: str, file: str) -> str:
        # As the file has them now: of two admins who change the same person, one comes too late.
        expect_admin(people, people.known(held.person_id).model_copy(update=update))
        for key, words in update.items():
            text = with_words(text, held.person_id, key, words, file=file)
        return text

    _rewritten(call, seen, change, held.model_copy(update=update), is_placed="sites" in update or "tenants" in update)


def _other(call: Call, person_id: str, seen: str) -> tuple[Person, str]:
    """Somebody else, of the asker's sites, and the tag of the file that names them. Raises BadInput: own_work;
    unknown_person, in the same words for somebody who is not there and of other sites.
    """
    me = call.acting(Role.ADMIN)
    if person_id == me.person_id:
        raise BadInput(Sentence("nobody changes their own rights: ask another admin"), reason="own_work")
    seen = seen or text_tag(call.project.project.people_file)
    found = next((each for each in call.project.people.people if each.person_id == person_id), None)
    if found is None or not lets_in(me, found):
        raise BadInput(Sentence("there is no person {0}", repr(person_id[:40])), reason="unknown_person")
    return found, seen


def _rewritten(
    call: Call, seen: str, change: Callable[[People, str, str], str], person: Person, *, is_placed: bool = True
) -> None:
    """Replace the people file by its changed text. person: as the file will have them; is_placed: at sites that must be
    there.
    """
    project, me = call.project.project, call.acting(Role.ADMIN)
    if Role.TENANT in person.roles and not person.tenants:
        raise BadInput(Sentence("the role {0} needs tenants: name them first", Role.TENANT.value), reason="bad_roles")
    if is_placed:
        _expect_places(call, me, person)
    path = project.people_file

    def changed(text: str) -> str:
        people = load_people(path)
        # Of two admins who take the role from each other, one comes too late.
        people.acting(me.person_id, Role.ADMIN)
        return change(people, text, path.name)

    check = partial(problems_in, call=call, is_people=True)
    with rewritten(path, check, changed, people_record(call, me.person_id), seen=seen) as problems:
        if problems:
            raise BadInput(f"not changed: {problems[0].message}", reason="bad_roles", mend=problems[0].mend)


def _expect_places(call: Call, me: Person, person: Person) -> None:
    """Raises BadInput where a site or tenant of the person is none that the admin sees."""
    known = {each: site for each, site in call.project.sites.items() if sees_site(me, each)}
    for each in person.sites:
        if each not in known:
            raise unknown_site(each, known, call.project.project.sites_dir)
    if not lets_in(me, person):
        raise BadInput(
            Sentence("you let people in to your own sites alone: name some of {0}", ", ".join(known)),
            reason="bad_sites",
        )
    theirs = [known[each] for each in person.sites] or list(known.values())
    tenants = {part.part_id for site in theirs for part in site.premises.parts()["tenant"]}
    for each in person.tenants:
        if each not in tenants:
            there = ", ".join(sorted(tenants)) or "none"
            raise BadInput(
                Sentence("there is no tenant {0} at these sites; they have {1}", repr(each[:40]), there),
                reason="unknown_tenant",
            )  # fmt: skip


def _has_acted(call: Call, person_id: str) -> bool:
    """True where the store knows somebody of that id, whom the file names no more: a password, a key or an act."""
    from assets.stores.api_keys import ApiKeyStore
    from assets.stores.web.audit_events import newest_events
    from assets.stores.web.credentials import CredentialStore

    store = call.project.store
    credentials = CredentialStore(store)
    return bool(
        credentials.password_of(person_id)
        or credentials.last_reset(person_id)
        or newest_events(store, most=1, person_id=person_id)
        or any(each.person_id == person_id for each in ApiKeyStore(store).recorded())
    )


def _either(site: Iterable[str] | None, *, all_sites: bool) -> tuple[str, ...]:
    """Sites of the options; none for all. Raises BadInput for both and for neither."""
    if bool(site) == all_sites:
        raise BadInput("name the sites with --site, or all with --all-sites", reason="bad_request")
    return tuple(dict.fromkeys(site or ()))


def _noted(call: Call, route: str, subject: str, answer: Answer) -> Answer:
    """The answer, once the audit trail has the act; one of the pages stands there by its address."""
    from assets.stores.web.audit_events import AuditEvent, note_event

    by = call.known_person().person_id
    event = AuditEvent(person_id=by, method="", route=route, subject=subject, outcome="done")
    note_event(call.project.store, call.clock, event)
    return answer
