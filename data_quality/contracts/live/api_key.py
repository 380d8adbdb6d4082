"""A key with which a machine speaks to us: whose it is, what it may, for which sites, until when."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from data_quality.contracts.model import Model
from data_quality.contracts.people import Role

Scope = Literal["ems.readings.push"]
# What a scope lets a machine do its owner must be able to do: this role, at the least.
ROLE_OF_SCOPE: dict[str, Role] = {"ems.readings.push": Role.ENGINEER}
# A key that nobody renews is one that nobody remembers.
MOST_DAYS = 366
PREFIX = "mlk"


class ApiKey(Model):
    """A key as it was recorded, without its secret. person_id: its owner, without whose role it opens nothing."""

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
