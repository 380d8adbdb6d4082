"""People of a project as who lets them in sees them: roles, sites, keys, whether they can sign in; invitations."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from data_quality.contracts.access.permissions import OF_ROLE, Permission
from data_quality.contracts.people import Person, Role, person_text
from data_quality.contracts.sentence import Sentence, Text, sentences
from data_quality.contracts.site_file.site import Site
from reports.pages.address import Address
from reports.pages.page import Act, Form, Input, Page, PageBlock, Part
from reports.pages.widgets.tile import table
from reports.report_content import Cell, Paragraph
from reports.texts.locales import named

PATH = "/people"
# In the field of sites: all of them, those of later too.
ALL_SITES = "*"
GIVE = "give"
CHANGES_TEXT = ((GIVE, "Give the role"), ("take", "Take the role away"))
CHANGES = tuple(value for value, _ in CHANGES_TEXT)
Options = tuple[tuple[str, str], ...]
_ROLES = Input(
    name="role", label="Roles", kind="checks", is_required=True,
    options=tuple((each.value, each.value.capitalize()) for each in Role),
)  # fmt: skip
_REPLACED = "These replace the present sites and tenants. The person signs in again."
_WRITTEN = "Written into the people file. The person signs in again."


class KnownPerson(NamedTuple):
    """One person of the people file. fingerprint: of their public key, empty without one; signed_in: how often now."""

    person: Person
    fingerprint: str
    has_password: bool
    signed_in: int


class AccessRequest(NamedTuple):
    """A permission that a person requested and lacks. at_text: when, as people read it."""

    name: str
    permission: Permission
    at_text: str


class Invitation(NamedTuple):
    """A link that was made a moment ago and is shown this once."""

    name: str
    link: str
    until_utc: datetime


# Act, title, button and note -> of who has a password, of who has none, or (None) of everybody.
_FORMS = {
    ("invite", "Invite person", "Make invitation link",
     "The link is shown once, and works once within 15 minutes."): False,
    ("out", "End sign-ins", "End all sign-ins", "On all devices, at once."): None,
}  # fmt: skip
# Act, title, question and effects of what waits for a reason.
_RESET = ("reset", "Reset password", "Reset this password?",
          (("Ends at once", "password and all sign-ins"), ("Message", "at the person's next sign-in")))  # fmt: skip
_WITHDRAW = ("withdraw", "Withdraw access", "Withdraw this access?",
             (("Ends at once", "roles, password, sign-ins and API keys"), ("Stays valid", "signatures")))  # fmt: skip


def people_page(
    known: Sequence[KnownPerson], address: Address, *, me: Person, seen: str, sites: Sequence[Site],
    requests: Sequence[AccessRequest] = (), invited: Invitation | None = None, chosen: str = "",
) -> Page:  # fmt: skip
    """Everybody, and what can be done. me: who asks; seen: the tag of the people file; sites: that the asker sees;
    requests: for access; invited: an invitation to hand on; chosen: the id of the person whose sites are changed.
    """
    rows = [_row(each) for each in known]
    columns = [("Person", ""), ("Roles", ""), ("Sites", ""), ("Public key", ""), ("Access", "")]
    places = _places(me, sites)
    forms: list[PageBlock] = [_new_form(address, seen, places)]
    forms += [_form(*words, options, address) for words, needs in _FORMS.items() if (options := _options(known, needs))]
    others = [each for each in known if each.person.person_id != me.person_id]
    if others:
        options = _options(others, None)
        person = next((each.person for each in others if each.person.person_id == chosen), None)
        forms += [_roles_form(options, address, seen)]
        forms += [_sites_choice(options, address) if person is None else _sites_form(person, address, seen, places)]
    present = [each for each in others if each.person.roles]
    weighty = {_RESET: _options(known, True), _WITHDRAW: _options(present, None)}
    acts = [_weighty(*words, options, address, seen) for words, options in weighty.items() if options]
    blocks: list[PageBlock] = [table("people", "People", columns, rows)]
    new: list[PageBlock] = []
    if invited is not None:
        pattern = "Give this link to {0}, over a private channel: {1}. It works once, until {2} UTC."
        until = f"{invited.until_utc:%H:%M}"
        new.append(Paragraph(text=Sentence(pattern, named(invited.name), named(invited.link), until), tone="caution"))
    note = "Names, roles, sites and public keys are in the people file."
    parts = (
        *([Part(key="invited", blocks=tuple(new))] if new else []),
        *([Part(key="requests", title="Requested access", blocks=tuple(map(request_line, requests)))] * bool(requests)),
        Part(key="people", blocks=(*blocks, Paragraph(text=note, tone="muted"), *acts)),
        Part(key="acts", title="Access", blocks=tuple(forms)),
    )
    return Page(title="People", address=address, parts=parts)


def request_line(request: AccessRequest) -> Paragraph:
    """A request for access: by whom, for what, which roles give it."""
    having = (role for role, has in OF_ROLE.items() if request.permission in has)
    roles = sentences([Sentence(each.value.capitalize()) for each in having], ", ")
    pattern = "{0} asks for {1} ({2}). Roles that have it: {3}."
    name, permission = named(request.name), named(request.permission.value)
    return Paragraph(text=Sentence(pattern, name, permission, request.at_text, roles))


def _row(known: KnownPerson) -> list[Cell]:
    person = known.person
    roles = sentences([Sentence(each.value.capitalize()) for each in person.roles], ", ") if person.roles else "none"
    access = Sentence("password set, {0} sign-ins", known.signed_in) if known.has_password else "no password yet"
    return [
        Cell(text=named(person_text(person.person_id, person.name))),
        Cell(text=roles),
        Cell(text=named(", ".join(person.sites)) if person.sites else "all sites"),
        Cell(text=known.fingerprint or "no public key", tone="plain" if known.fingerprint else "muted"),
        Cell(text=access, tone="plain" if known.has_password else "muted"),
    ]


def _new_form(address: Address, seen: str, places: tuple[Input, ...]) -> Form:
    fields = (
        _seen_field(seen),
        Input(name="name", label="Name", is_required=True),
        Input(name="person_id", label="Id", is_required=True, hint="Letters a-z, digits, _ . -; it stays the same"),
        _ROLES,
        *places,
    )
    note = "Written into the people file. The link to a first password is shown once."
    place = Address(path=f"{PATH}/add", locale=address.locale).href()
    return Form(key="add", title="New person", action=place, method="post", fields=fields, submit="Add person",
                note=note)  # fmt: skip


def _roles_form(options: Options, address: Address, seen: str) -> Form:
    form = _form("roles", "Change roles", "Change roles", _WRITTEN, options, address)
    change = Input(name="change", label="Change", kind="select", options=CHANGES_TEXT, is_required=True)
    return form.model_copy(update={"fields": (*form.fields, _seen_field(seen), change, _ROLES)})


def _sites_choice(options: Options, address: Address) -> Form:
    """Whose sites are shown and changed."""
    form = _form("sites", "Change sites", "Show sites", "", options, address)
    at = (Input(name="locale", label="", kind="hidden", value=address.locale),) * bool(address.locale)
    return form.model_copy(update={"action": f"{PATH}#form-sites", "method": "get", "fields": (*form.fields, *at)})


def _sites_form(person: Person, address: Address, seen: str, places: tuple[Input, ...]) -> Form:
    """Sites and tenants of one person as they are now."""
    form = _form("sites", Sentence("Change sites of {0}", named(person.name)), "Change sites", _REPLACED, (), address)
    present = {"site": " ".join(person.sites) or ALL_SITES, "tenant": " ".join(person.tenants)}
    whom = Input(name="person", label="", kind="hidden", value=person.person_id)
    fields = (each.model_copy(update={"value": present[each.name]}) for each in places)
    return form.model_copy(update={"fields": (whom, _seen_field(seen), *fields)})


def _weighty(
    key: str, title: str, question: str, effects: tuple[tuple[str, str], ...], options: Options, address: Address,
    seen: str,
) -> Act:  # fmt: skip
    """An act behind its question, with a reason."""
    form = _form(key, title, title, "", options, address)
    reason = Input(name="reason", label="Reason", is_required=True)
    form = form.model_copy(update={"fields": (*form.fields, reason, _seen_field(seen))})
    note = "Recorded in the audit trail with your name and the reason."
    return Act(label=title, question=question, about="", facts=effects, form=form, note=note)


def _seen_field(seen: str) -> Input:
    return Input(name="seen", label="", kind="hidden", value=seen)


def _places(me: Person, sites: Sequence[Site]) -> tuple[Input, ...]:
    """The fields of sites and tenants; who lets people in to some sites alone may not name all."""
    every = () if me.sites else ((ALL_SITES, "All sites"),)
    options = (*every, *((each.site_id, named(each.name)) for each in sites))
    fields = (Input(name="site", label="Sites", kind="checks", options=options, is_required=True),)
    tenants = {
        part.part_id: named(f"{part.name or part.part_id} ({site.name})")
        for site in sites for part in site.premises.parts()["tenant"]
    }  # fmt: skip
    if not tenants:
        return fields
    hint = "For the role Tenant"
    return (*fields, Input(name="tenant", label="Tenants", kind="checks", options=tuple(tenants.items()), hint=hint))


def _options(known: Sequence[KnownPerson], has_password: bool | None) -> Options:
    # Whose access was withdrawn is given a role before a password.
    who = (each for each in known if has_password is None or (each.has_password is has_password and each.person.roles))
    # Two people of one name are told apart by their ids.
    return tuple((one.person_id, named(person_text(one.person_id, one.name))) for one, *_ in who)


def _form(act: str, title: Text, submit: str, note: str, options: Options, address: Address) -> Form:
    person = Input(name="person", label="Person", kind="select", options=options, is_required=True)
    place = Address(path=f"{PATH}/{act}", locale=address.locale).href()
    return Form(key=act, title=title, action=place, method="post", fields=(person,), submit=submit, note=note)
