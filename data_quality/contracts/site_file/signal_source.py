"""Sources of grid signals as data: an OpenADR 3 server of the site's programme, and the failsafe of its limits."""

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from data_quality.contracts.model import Model
from data_quality.contracts.site_file.live_source import ServiceAddress, VariableName
from data_quality.contracts.site_file.meter import Identifier

Kw = Annotated[float, Field(gt=0)]


class SignalSource(Model):
    """A virtual top node (VTN) of OpenADR 3. No secret stands here: secret_env names the variable that holds it.

    failsafe_import_kw, failsafe_export_kw: ceilings that hold once nothing was heard for two minutes; without one a
    silent source sets no ceiling of its own. device_floor_kw: what one device may draw under any of its import
    ceilings (EnWG 14a: 4.2).
    """

    source_id: Identifier
    url: ServiceAddress = Field(description="Base address, as https://vtn.example/openadr3/3.0.1")
    token_url: ServiceAddress | None = Field(default=None, description="Left out: url with /auth/token")
    client_id: str = Field(min_length=1, max_length=200)
    secret_env: VariableName = Field(min_length=1)
    scope: str = Field(default="", max_length=200)
    programme: str = Field(min_length=1, max_length=128, description="programName at the VTN")
    ven_name: str = Field(min_length=1, max_length=128, description="Name under which reports are sent")
    poll_s: float = Field(default=5.0, ge=1, le=60, description="Seconds between two questions")
    failsafe_import_kw: float | None = Field(default=None, ge=0)
    failsafe_export_kw: float | None = Field(default=None, ge=0)
    device_floor_kw: float | None = Field(default=None, gt=0)
    shed_kw: tuple[Kw, Kw, Kw] | None = Field(
        default=None, description="Shed for SIMPLE levels 1, 2 and 3, by contract"
    )
    is_synthetic: bool = Field(default=False, description="A simulator of ours: what follows from it is flagged")

    @field_validator("url", "token_url")
    @classmethod
    def _is_private(cls, url: str | None) -> str | None:
        """A token in the clear is anybody's: https, but on this machine."""
        parts = urlsplit(url or "https://none")
        if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
            raise ValueError("expected https: a client secret is not sent in the clear")
        return url

    @property
    def has_failsafe(self) -> bool:
        """True where its silence sets a ceiling."""
        return self.failsafe_import_kw is not None or self.failsafe_export_kw is not None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
