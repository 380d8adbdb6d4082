"""People of a project as who lets them in sees them: roles, sites, keys, whether they can sign in; invitations."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from data_quality.contracts.people import Person, Role
from data_quality.contracts.sentence import Sentence, sentences
from reports.pages.address import Address
from reports.pages.page import Form, Input, Page, PageBlock, Part
from reports.pages.widgets.tile import table
from reports.report_content import Cell, Paragraph
from reports.texts.locales import named

PATH = "/people"
GIVE = "give"
CHANGES_TEXT = ((GIVE, "Give the role"), ("take", "Take the role away"))
CHANGES = tuple(value for value, _ in CHANGES_TEXT)


class KnownPerson(NamedTuple):
    """One person of the people file. fingerprint: of their public key, empty without one; signed_in: how often now."""

    person: Person
    fingerprint: str
    has_password: bool
    signed_in: int


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
    ("reset", "Reset password", "Reset password",
     "Ends the password and all sign-ins at once. The person sees this at the next sign-in, with your name."): True,
}  # fmt: skip


def people_page(
    known: Sequence[KnownPerson], address: Address, *, me: str, seen: str, invited: Invitation | None = None
) -> Page:
    """Everybody, and what can be done. me: who asks; seen: the tag of the people file; invited: an invitation to hand
    on.
    """
    rows = [_row(each) for each in known]
    columns = [("Person", ""), ("Roles", ""), ("Sites", ""), ("Public key", ""), ("Access", "")]
    forms = [_form(*words, options, address) for words, needs in _FORMS.items() if (options := _options(known, needs))]
    if others := [each for each in known if each.person.person_id != me]:
        forms.append(_roles_form(_options(others, None), address, seen))
    blocks: list[PageBlock] = [table("people", "People", columns, rows)]
    new: list[PageBlock] = []
    if invited is not None:
        pattern = "Give this link to {0}, over a private channel: {1}. It works once, until {2} UTC."
        until = f"{invited.until_utc:%H:%M}"
        new.append(Paragraph(text=Sentence(pattern, named(invited.name), named(invited.link), until), tone="caution"))
    note = (
        "Names, roles, sites and public keys are in the people file; removing a person there ends their access at once."
    )
    parts = (
        *([Part(key="invited", blocks=tuple(new))] if new else []),
        Part(key="people", blocks=(*blocks, Paragraph(text=note, tone="muted"))),
        Part(key="acts", title="Access", blocks=tuple(forms)),
    )
    return Page(title="People", address=address, parts=parts)


def _row(known: KnownPerson) -> list[Cell]:
    person = known.person
    roles = sentences([Sentence(each.value.capitalize()) for each in person.roles], ", ") if person.roles else "none"
    access = Sentence("password set, {0} sign-ins", known.signed_in) if known.has_password else "no password yet"
    return [
        Cell(text=named(f"{person.name} ({person.person_id})")),
        Cell(text=roles),
        Cell(text=named(", ".join(person.sites)) if person.sites else "all sites"),
        Cell(text=known.fingerprint or "no public key", tone="plain" if known.fingerprint else "muted"),
        Cell(text=access, tone="plain" if known.has_password else "muted"),
    ]


def _roles_form(options: tuple[tuple[str, str], ...], address: Address, seen: str) -> Form:
    form = _form("roles", "Change roles", "Change roles",
                 "Written into the people file. The person signs in again.", options, address)  # fmt: skip
    roles = tuple((each.value, each.value.capitalize()) for each in Role)
    more = (
        Input(name="seen", label="", kind="hidden", value=seen),
        Input(name="change", label="Change", kind="select", options=CHANGES_TEXT, is_required=True),
        Input(name="role", label="Role", kind="select", options=roles, is_required=True),
    )
    return form.model_copy(update={"fields": (*form.fields, *more)})


def _options(known: Sequence[KnownPerson], has_password: bool | None) -> tuple[tuple[str, str], ...]:
    who = (each for each in known if has_password in (None, each.has_password))
    return tuple((each.person.person_id, each.person.name) for each in who)


def _form(
    act: str, title: str, submit: str, note: str, options: tuple[tuple[str, str], ...], address: Address
) -> Form:  # fmt: skip
    person = Input(name="person", label="Person", kind="select", options=options, is_required=True)
    place = Address(path=f"{PATH}/{act}", locale=address.locale).href()
    return Form(key=act, title=title, action=place, method="post", fields=(person,), submit=submit, note=note)
