"""People of a project as who lets them in sees them: roles, sites, keys, whether they can sign in; invitations."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from data_quality.contracts.people import Person
from data_quality.contracts.sentence import Sentence, sentences
from reports.pages.address import Address
from reports.pages.page import Form, Input, Page, PageBlock, Part
from reports.pages.widgets.tile import table
from reports.report_content import Cell, Paragraph
from reports.texts.locales import named

PATH = "/people"


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


def people_page(known: Sequence[KnownPerson], address: Address, *, invited: Invitation | None = None) -> Page:
    """Everybody, and what can be done. invited: an invitation to hand on."""
    rows = [_row(each) for each in known]
    columns = [("Person", ""), ("Roles", ""), ("Sites", ""), ("Public key", ""), ("Password", ""), ("Sign-ins", "")]
    options = tuple((each.person.person_id, each.person.name) for each in known)
    forms = (
        _form("invite", "Invite person", "Make invitation link", options, address,
              "The link is shown once, good once and for 15 minutes; a new password ends the one before."),
        _form("out", "End sign-ins", "End all sign-ins", options, address, "On all devices, at once."),
    )  # fmt: skip
    blocks: list[PageBlock] = [table("people", "People", columns, rows)]
    told: list[PageBlock] = []
    if invited is not None:
        pattern = "Give this link to {0}, by a way that others do not read: {1}. It is good once, until {2} UTC."
        until = f"{invited.until_utc:%H:%M}"
        told.append(Paragraph(text=Sentence(pattern, named(invited.name), named(invited.link), until), tone="caution"))
    note = "Names, roles, sites and public keys stand in the people file; who is taken out of it is out at once."
    parts = (
        *([Part(key="invited", blocks=tuple(told))] if told else []),
        Part(key="people", blocks=(*blocks, Paragraph(text=note, tone="muted"))),
        Part(key="acts", title="Access", blocks=forms),
    )
    return Page(title="People", address=address, parts=parts)


def _row(known: KnownPerson) -> list[Cell]:
    person = known.person
    roles = sentences([Sentence(each.value.capitalize()) for each in person.roles], ", ") if person.roles else "none"
    return [
        Cell(text=named(f"{person.name} ({person.person_id})")),
        Cell(text=roles),
        Cell(text=named(", ".join(person.sites)) if person.sites else "all"),
        Cell(text=known.fingerprint or "none", tone="plain" if known.fingerprint else "muted"),
        Cell(text="set" if known.has_password else "none yet", tone="plain" if known.has_password else "muted"),
        Cell(text=str(known.signed_in)),
    ]


def _form(
    act: str, title: str, submit: str, options: tuple[tuple[str, str], ...], address: Address, note: str
) -> Form:  # fmt: skip
    person = Input(name="person", label="Person", kind="select", options=options, is_required=True)
    place = Address(path=f"{PATH}/{act}", locale=address.locale).href()
    return Form(key=act, title=title, action=place, method="post", fields=(person,), submit=submit, note=note)
