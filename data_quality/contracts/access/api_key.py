"""A key with which a machine speaks to us: whose it is, what it may, for which sites, until when."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from data_quality.contracts.access.permissions import Permission, permissions_of
from data_quality.contracts.model import Model
from data_quality.contracts.people import Person

P = Permission
# What machines may be let do: to read, to bring what they measured or were sent, and to ask for work whose outcome a
# person judges. Never an act that is a person's: to approve, to publish, to command a device, to make keys.
READS = frozenset({each for each in P if each.value.endswith(".read")} - {P.AUDIT_READ} | {P.READ})
FOR_MACHINES = READS | {
    P.READINGS_PUSH, P.WRITE, P.METER_UPDATE, P.TARIFF_UPDATE, P.BILL_UPLOAD, P.BASELINE_CREATE, P.MV_RUN,
    P.CARBON_FACTOR_UPDATE, P.FORECAST_RUN, P.AI_RUN, P.NILM_RUN, P.REPORT_RUN,
}  # fmt: skip


def _for_machines(scope: Permission) -> Permission:
    if scope not in FOR_MACHINES:
        raise ValueError(f"{scope.value} is for people alone")
    return scope


Scope = Annotated[Permission, AfterValidator(_for_machines)]
# A key that nobody renews is one that nobody remembers.
MOST_DAYS = 366
PREFIX = "mlk"


class ApiKey(Model):
    """A key as it was recorded, without its secret. person_id: its owner, without whose permission it opens nothing."""

    key_id: str
    person_id: str
    name: str = Field(min_length=1, max_length=128)
    sites: tuple[str, ...] = Field(min_length=1)
    scopes: tuple[Scope, ...] = Field(min_length=1)
    expires_utc: datetime
    is_revoked: bool = False
    reason: str = ""

    def state(self, now_utc: datetime) -> str:
        """revoked, expired, or good."""
        return "revoked" if self.is_revoked else "expired" if now_utc >= self.expires_utc else "good"

    def lets(self, owner: Person) -> frozenset[Permission]:
        """Permissions that it opens: of its scopes those that its owner may do today."""
        return permissions_of(owner.roles) & frozenset(self.scopes)
