"""A call of an operation over the network: by who stands behind the request, in the project that is open."""

import re
from collections.abc import Collection
from datetime import datetime
from functools import cached_property

from assets.stores.sign import Signer, key_needed
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import People, Person, Role
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.operations.operation import Call
from orchestration.web.queries import instant_of
from orchestration.web.request_context import Context
from orchestration.web.signing import ASK, SIGNATURE, BrowserSigner, TextSigner, signed_at
from reports.pages.signers import Signer as FormSigner
from reports.texts.locales import named

# The field of a form that makes a secret: 256 bits, drawn for it alone.
CHANCE = "chance"
_CHANCE = re.compile(r"[\w-]{43}", re.ASCII)


class WebCall(Call):
    """A call over the network: the project is open already, and who asks is behind the request."""

    is_signed_in = True
    shows_in_mlflow = False

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx.project.project.root)
        self._ask, self.clock = ctx, ctx.clock
        self.sites = ctx.person.sites

    @cached_property
    def project(self) -> OpenProject:
        """The project that the server has open."""
        return self._ask.project

    @property
    def as_of_utc(self) -> datetime | None:
        """The instant of the address, or None for now. Raises BadInput (bad_as_of) for one that is yet to come."""
        return instant_of(self._ask) if self._ask.address.as_of_utc is not None else None

    def acting(self, role: Role) -> Person:
        """Person who asks, if they hold the role. Raises BadInput."""
        self._ask.person.must_be(role)
        return self._ask.person

    def known_person(self) -> Person:
        """Person who asks."""
        return self._ask.person

    def signer(self, person: Person) -> Signer | None:
        """The signer in the browser; None where nobody signs in this project. No key of a person is used by a server.

        Raises BadInput: no public key, or (no_key_here) a form without signature.
        """
        people, form = self.project.people, self._ask.form
        # As the file has it now: a key that was taken away a moment ago signs nothing.
        public_key = key_needed(people.known(person.person_id), people)
        if not public_key:
            return None
        if form.get(ASK):
            # One instant for all of an act: it is in the text, and the second time it is the same.
            self.clock = FixedClock(self._ask.now_utc)
            return TextSigner(public_key, self.project.store)
        if SIGNATURE in form:
            self.clock = FixedClock(signed_at(form, self._ask.now_utc))
            return BrowserSigner(public_key, form)
        raise BadInput(
            f"acts of this project are signed, and the key of {person.name} is not on the server",
            reason="no_key_here",
            mend="the page shows the command that signs it; a program asks with ask_to_sign for the text to sign",
        )

    def chance(self) -> str:
        """Value that the page drew for the form. Raises BadInput for a text that is none."""
        chance = self._ask.form.get(CHANCE, "")
        if not _CHANCE.fullmatch(chance):
            raise BadInput("this form is not complete: open the page again", reason="bad_request")
        return chance


def signer_of(ctx: Context) -> FormSigner:
    """Person who looks, as forms that are signed know them."""
    people, me = ctx.project.people, ctx.person.person_id
    return FormSigner(person_id=me, needs_key=has_keys(people), public_key=people.public_keys.get(me, ""))


def has_keys(people: People) -> bool:
    """True where acts are signed: one key in the people file, and everybody must."""
    return any(each.public_key for each in people.people)


def others_with_role(people: People, role: Role, without: Collection[str]) -> str:
    """People who can do it instead, in a sentence."""
    others = [each.name for each in people.people if role in each.roles and each.person_id not in without]
    if not others:
        return Sentence("Nobody else has the role {0}.", Sentence(role.value))
    return Sentence("It can be done by {0}.", named(", ".join(others)))
