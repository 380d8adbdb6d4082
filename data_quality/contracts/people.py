"""People, their roles and public keys: who may approve, override, raise a mode, review, publish."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model


class Role(StrEnum):
    """Role of a person."""

    ANALYST = "analyst"
    APPROVER = "approver"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    REVIEWER = "reviewer"
    PUBLISHER = "publisher"
    # Who only looks, and in pages only: no act asks for one of these.
    VIEWER = "viewer"
    TENANT = "tenant"
    AUDITOR = "auditor"
    ADMIN = "admin"


def person_text(person_id: str, name: str | None) -> str:
    """A person as papers and pages print them: "Anna Berger (a.berger)"; the id alone where nobody knows the name."""
    return f"{name} ({person_id})" if name and name != person_id else person_id


class Person(Model):
    """One person of the people file."""

    # It becomes the name of the file that holds the person's key.
    person_id: str = Field(min_length=1, pattern=r"^[a-z0-9_.-]+$")
    name: str
    roles: tuple[Role, ...]
    public_key: str = Field(default="", description="Ed25519 public key, base64; needed to sign")
    sites: tuple[str, ...] = Field(default=(), description="Sites that the person sees; without them all")
    tenants: tuple[str, ...] = Field(default=(), description="Tenants whose parts a person of that role sees")
    home_board: str | None = Field(default=None, description="The board that opens first, of reports/pages/boards")

    @model_validator(mode="after")
    def _tenant_has_a_part(self) -> Self:
        if Role.TENANT in self.roles and not self.tenants:
            raise ValueError(f"{self.person_id} has the role 'tenant' but no tenants: name them, or nothing is seen")
        return self

    def must_be(self, role: Role) -> None:
        """Raises BadInput for a person who does not hold the role."""
        if role not in self.roles:
            roles = ", ".join(self.roles) or "none"
            raise BadInput(f"{self.name} has not the role {role.value!r} (roles: {roles})", reason="missing_role")


class People(Model):
    """The people file: `people: [{person_id, name, roles}]`."""

    people: tuple[Person, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "People":
        ids = [person.person_id for person in self.people]
        if len(set(ids)) != len(ids):
            raise ValueError("a person_id appears twice in the people file")
        return self

    @property
    def public_keys(self) -> dict[str, str]:
        """Public keys by person_id; empty for a person without one."""
        return {person.person_id: person.public_key for person in self.people}

    @property
    def names(self) -> dict[str, str]:
        """Names by person_id."""
        return {person.person_id: person.name for person in self.people}

    def acting(self, person_id: str, role: Role) -> Person:
        """The person, if they hold the role. Raises BadInput."""
        person = self.known(person_id)
        person.must_be(role)
        return person

    def known(self, person_id: str | None) -> Person:
        """The person of that id, whatever their roles. Raises BadInput."""
        for person in self.people:
            if person.person_id == person_id:
                return person
        known = ", ".join(person.person_id for person in self.people) or "nobody"
        raise BadInput(f"unknown person {person_id!r}; the people file names {known}", reason="unknown_person")
