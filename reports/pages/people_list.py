"""People of a project as who lets them in sees them: roles, sites, keys, whether they can sign in; invitations."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from data_quality.contracts.access.permissions import OF_ROLE, Permission
from data_quality.contracts.people import Person, Role, person_text
from data_quality.contracts.sentence import Sentence, sentences
from reports.pages.address import Address
from reports.pages.page import Form, Input, Page, PageBlock, Part
from reports.pages.widgets.tile import table
from reports.report_content import Cell, Paragraph
from reports.texts.locales import named

PATH = "/people"
# In the field of sites: all of them, those of later too.
ALL_SITES = "*"
GIVE = "give"
CHANGES_TEXT = ((GIVE, "Give the role"), ("take", "Take the role away"))
CHANGES = tuple(value for value, _ in CHANGES_TEXT)
_ROLES = tuple((each.value, each.value.capitalize()) for each in Role)
_WRITTEN = "Written into the people file. The person signs in again."


class KnownPerson(NamedTuple):
    """One person of the people file. fingerprint: of their public key, empty without one; signed_in: how often now."""

    person: Person
    fingerprint: str
    has_password: bool
    signed_in: int


class AskedAccess(NamedTuple):
    """A permission that a person asked for and lacks. at_text: when, as people read it."""

    name: str
    permission: Permission
    at_text: str


class Invitation(NamedTuple):
    """A link that was made a moment ago and is shown this once."""

    name: str
    link: str
    until_utc: datetime


# Ids are typed with commas between them: a form has each field once.
_TENANTS = Input(name="tenants", label="Tenants", hint="For the role Tenant: ids of tenants")
# Act, title, button and note -> of who has a password, of who has none, or (None) of everybody.
_FORMS = {
    ("invite", "Invite person", "Make invitation link",
     "The link is shown once, and works once within 15 minutes."): False,
    ("out", "End sign-ins", "End all sign-ins", "On all devices, at once."): None,
    ("reset", "Reset password", "Reset password",
     "Ends the password and all sign-ins at once. The person sees this at the next sign-in, with your name."): True,
}  # fmt: skip


def people_page(
    known: Sequence[KnownPerson], address: Address, *, me: Person, seen: str, sites: Mapping[str, str],
    asked: Sequence[AskedAccess] = (), invited: Invitation | None = None,
) -> Page:  # fmt: skip
    """Everybody, and what can be done. me: who asks; seen: the tag of the people file; sites: that the asker sees, with
    names; asked: access that people asked for; invited: an invitation to hand on.
    """
    rows = [_row(each) for each in known]
    columns = [("Person", ""), ("Roles", ""), ("Sites", ""), ("Public key", ""), ("Access", "")]
    forms = [_new_form(address, seen, _sites_field(me, sites))]
    forms += [_form(*words, options, address) for words, needs in _FORMS.items() if (options := _options(known, needs))]
    others = [each for each in known if each.person.person_id != me.person_id]
    if others:
        forms += [_roles_form(_options(others, None), address, seen), _sites_form(others, address, seen, me, sites)]
    if present := [each for each in others if each.person.roles]:
        forms.append(_withdraw_form(_options(present, None), address, seen))
    blocks: list[PageBlock] = [table("people", "People", columns, rows)]
    new: list[PageBlock] = []
    if invited is not None:
        pattern = "Give this link to {0}, over a private channel: {1}. It works once, until {2} UTC."
        until = f"{invited.until_utc:%H:%M}"
        new.append(Paragraph(text=Sentence(pattern, named(invited.name), named(invited.link), until), tone="caution"))
    note = "Names, roles, sites and public keys are in the people file."
    parts = (
        *([Part(key="invited", blocks=tuple(new))] if new else []),
        *([Part(key="asked", title="Requested access", blocks=tuple(map(asked_for, asked)))] if asked else []),
        Part(key="people", blocks=(*blocks, Paragraph(text=note, tone="muted"))),
        Part(key="acts", title="Access", blocks=tuple(forms)),
    )
    return Page(title="People", address=address, parts=parts)


def asked_for(asked: AskedAccess) -> Paragraph:
    """A request for access: by whom, for what, which roles give it."""
    having = (role for role, has in OF_ROLE.items() if asked.permission in has)
    roles = sentences([Sentence(each.value.capitalize()) for each in having], ", ")
    pattern = "{0} asks for {1} ({2}). Roles that have it: {3}."
    return Paragraph(text=Sentence(pattern, named(asked.name), named(asked.permission.value), asked.at_text, roles))


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


def _new_form(address: Address, seen: str, sites: Input) -> Form:
    fields = (
        _seen_field(seen),
        Input(name="name", label="Name", is_required=True),
        Input(name="person_id", label="Id", is_required=True, hint="Letters a-z, digits, _ . -; it stays the same"),
        Input(name="role", label="Role", kind="select", options=_ROLES, is_required=True),
        sites,
        _TENANTS,
    )
    note = "Written into the people file. The link to a first password is shown once."
    place = Address(path=f"{PATH}/add", locale=address.locale).href()
    return Form(key="add", title="New person", action=place, method="post", fields=fields, submit="Add person",
                note=note)  # fmt: skip


def _roles_form(options: tuple[tuple[str, str], ...], address: Address, seen: str) -> Form:
    form = _form("roles", "Change roles", "Change roles", _WRITTEN, options, address)
    more = (
        _seen_field(seen),
        Input(name="change", label="Change", kind="select", options=CHANGES_TEXT, is_required=True),
        Input(name="role", label="Role", kind="select", options=_ROLES, is_required=True),
    )
    return form.model_copy(update={"fields": (*form.fields, *more)})


def _sites_form(
    others: Sequence[KnownPerson], address: Address, seen: str, me: Person, sites: Mapping[str, str]
) -> Form:  # fmt: skip
    form = _form("sites", "Change sites", "Change sites", _WRITTEN, _options(others, None), address)
    return form.model_copy(update={"fields": (*form.fields, _seen_field(seen), _sites_field(me, sites), _TENANTS)})


def _withdraw_form(options: tuple[tuple[str, str], ...], address: Address, seen: str) -> Form:
    note = "Ends roles, password, sign-ins and API keys at once. What the person signed stays valid."
    form = _form("withdraw", "Withdraw access", "Withdraw access", note, options, address)
    return form.model_copy(update={"fields": (*form.fields, _seen_field(seen))})


def _seen_field(seen: str) -> Input:
    return Input(name="seen", label="", kind="hidden", value=seen)


def _sites_field(me: Person, sites: Mapping[str, str]) -> Input:
    """The field of the sites that a person is to see; who lets people in to some alone may not name all."""
    listed = named(", ".join(f"{each} ({name})" for each, name in sites.items()))
    hint = Sentence("Ids with commas between them: {0}", listed)
    if not me.sites:
        hint = Sentence("{0} for all sites, or ids with commas between them: {1}", ALL_SITES, listed)
    return Input(name="sites", label="Sites", is_required=True, hint=hint)


def _options(known: Sequence[KnownPerson], has_password: bool | None) -> tuple[tuple[str, str], ...]:
    # Whose access was withdrawn is given a role before a password.
    who = (each for each in known if has_password is None or (each.has_password is has_password and each.person.roles))
    # Two people of one name are told apart by their ids.
    return tuple((one.person_id, named(person_text(one.person_id, one.name))) for one, *_ in who)


def _form(
    act: str, title: str, submit: str, note: str, options: tuple[tuple[str, str], ...], address: Address
) -> Form:  # fmt: skip
    person = Input(name="person", label="Person", kind="select", options=options, is_required=True)
    place = Address(path=f"{PATH}/{act}", locale=address.locale).href()
    return Form(key=act, title=title, action=place, method="post", fields=(person,), submit=submit, note=note)
