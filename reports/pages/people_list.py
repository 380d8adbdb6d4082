"""People of a project as who lets them in sees them: roles, sites, keys, whether they can sign in; invitations."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from data_quality.contracts.access.permissions import OF_ROLE, Permission
from data_quality.contracts.people import Person, Role, person_text
from data_quality.contracts.sentence import Sentence, Text, sentences
from data_quality.contracts.site_file.site import Site
from reports.pages.address import Address
from reports.pages.page import REASON, Act, Form, Input, Page, PageBlock, Part
from reports.report_content import Cell, Paragraph, table
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
    others = [each for each in known if each.person.person_id != me.person_id]
    rows = [_row(each, address, is_me=each.person.person_id == me.person_id) for each in known]
    columns = ("Person", "Roles", "Sites", "Public key", "Access", "Change")
    places = _places(me, sites)
    stamp = Input(name="seen", kind="hidden", value=seen)
    forms: list[PageBlock] = [_new_form(address, stamp, places)]
    if options := _options(known, has_password=False):
        note = "The link is shown once, and works once within 15 minutes."
        forms.append(_form("invite", "Invite person", options, address, submit="Make invitation link", note=note))
    if options := _options(known):
        note = "On all devices, at once."
        forms.append(_form("out", "End sign-ins", options, address, submit="End all sign-ins", note=note))
    if options := _options(others):
        change = Input(name="change", label="Change", kind="select", options=CHANGES_TEXT, is_required=True)
        forms.append(_form("roles", "Change roles", options, address, stamp, change, _ROLES, note=_WRITTEN))
    forms += [_sites_form(each.person, address, stamp, places) for each in others if each.person.person_id == chosen]
    present = [each for each in others if each.person.roles]
    weighty = {_RESET: _options(known, has_password=True), _WITHDRAW: _options(present)}
    acts = [_weighty(*words, options, address, stamp) for words, options in weighty.items() if options]
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


def _row(known: KnownPerson, address: Address, *, is_me: bool) -> tuple[Cell | Text, ...]:
    person = known.person
    # A form with the present sites of each would be as long as people times sites: a row leads to its own.
    form = f"{address.href(PATH, person=person.person_id)}#form-sites"
    roles = sentences([Sentence(each.value.capitalize()) for each in person.roles], ", ") if person.roles else "none"
    access = Sentence("password set, {0} sign-ins", known.signed_in) if known.has_password else "no password yet"
    return (
        named(person_text(person.person_id, person.name)), roles,
        named(", ".join(person.sites)) if person.sites else "all sites",
        Cell(text=known.fingerprint or "no public key", tone="plain" if known.fingerprint else "muted"),
        Cell(text=access, tone="plain" if known.has_password else "muted"),
        "" if is_me else Cell(text="Change sites", href=form),
    )  # fmt: skip


def _new_form(address: Address, stamp: Input, places: tuple[Input, ...]) -> Form:
    fields = (
        stamp,
        Input(name="name", label="Name", is_required=True),
        Input(name="person_id", label="Id", is_required=True, hint="Letters a-z, digits, _ . -; it stays the same"),
        _ROLES,
        *places,
    )
    note = "Written into the people file. The link to a first password is shown once."
    place = Address(path=f"{PATH}/add", locale=address.locale).href()
    return Form(title="New person", action=place, fields=fields, submit="Add person", note=note)


def _sites_form(person: Person, address: Address, stamp: Input, places: tuple[Input, ...]) -> Form:
    """Sites and tenants of one person as they are now."""
    present = {"site": " ".join(person.sites) or ALL_SITES, "tenant": " ".join(person.tenants)}
    fields = (each.model_copy(update={"value": present[each.name]}) for each in places)
    whom = Input(name="person", kind="hidden", value=person.person_id)
    title = Sentence("Change sites of {0}", named(person.name))
    place = Address(path=f"{PATH}/sites", locale=address.locale).href()
    return Form(title=title, action=place, fields=(whom, stamp, *fields), submit="Change sites", note=_REPLACED)


def _weighty(
    key: str, title: str, question: str, effects: tuple[tuple[str, str], ...], options: Options, address: Address,
    stamp: Input,
) -> Act:  # fmt: skip
    """An act behind its question, with a reason."""
    form = _form(key, title, options, address, REASON, stamp)
    note = "Recorded in the audit trail with your name and the reason."
    return Act(label=title, question=question, about="", facts=effects, form=form, note=note)


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


def _options(known: Sequence[KnownPerson], *, has_password: bool | None = None) -> Options:
    # Whose access was withdrawn is given a role before a password.
    who = (each for each in known if has_password is None or (each.has_password is has_password and each.person.roles))
    # Two people of one name are told apart by their ids.
    return tuple((one.person_id, named(person_text(one.person_id, one.name))) for one, *_ in who)


def _form(
    act: str, title: Text, options: Options, address: Address, *fields: Input, submit: str = "", note: str = ""
) -> Form:
    """Form of an act on one of these people."""
    person = Input(name="person", label="Person", kind="select", options=options, is_required=True)
    place = Address(path=f"{PATH}/{act}", locale=address.locale).href()
    return Form(title=title, action=place, fields=(person, *fields), submit=submit or title, note=note)
