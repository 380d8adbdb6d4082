"""A site's chargers: one central system for all of them, opened with the first."""

import os
import re
from pathlib import Path
from typing import Any

from controls.gateways.charge_points.central_system import CentralSystem
from controls.gateways.charge_points.ocpp_device import OcppDevice, OcppReader
from controls.templates.load_templates import Template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import OcppSettings
from data_quality.contracts.site_file.site import Asset
from data_quality.contracts.time import Clock

# An identity of OCPP that is also the name of a file, and nothing else than that.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,48}")


class Chargers:
    """Opens connectors of charge points. A reader may be replaced by a writer: the charger stays connected."""

    def __init__(self, settings: OcppSettings, *, root: Path, clock: Clock) -> None:
        self.system = CentralSystem(host=settings.host, port=settings.port, clock=clock)
        self._keys, self._clock = root / settings.keys, clock

    def open_reader(self, asset: Asset, template: Template) -> OcppReader:
        """A connector that can be read and not written. Raises BadInput (address, key file)."""
        return OcppReader(template, **self._given(asset, template))

    def open_device(self, asset: Asset, template: Template) -> OcppDevice:
        """A connector that can be read and written. Raises BadInput (address, key file)."""
        return OcppDevice(template, device_id=asset.asset_id, **self._given(asset, template))

    def close(self) -> None:
        """Let go of every charger."""
        self.system.stop()

    def _given(self, asset: Asset, template: Template) -> dict[str, Any]:
        charger_id, connector = charger_address(asset)
        tags = asset.params.get("id_tags")
        link = self.system.expect(
            charger_id,
            "ocpp16" if template.protocol == "ocpp16" else "ocpp201",
            password=self._password(charger_id),
            id_tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
        )
        self.system.listen()
        # Three where the site does not say: fewer amperes for the same power is the harmless mistake.
        phases = int(asset.numbers.get("phases", 3))
        return {"link": link, "connector": connector, "phases": phases, "clock": self._clock}

    def _password(self, charger_id: str) -> str:
        file = self._keys / f"{charger_id}.key"
        if os.name == "posix" and file.is_file() and file.stat().st_mode & 0o077:
            raise BadInput(
                f"the password of charge point {charger_id!r} can be read by others",
                file=str(file),
                reason="open_key",
                mend=f"chmod 600 {file}",
            )
        try:
            password = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadInput(
                f"charge point {charger_id!r} has no password: cannot read {file}", reason="no_key"
            ) from error
        if not password:
            raise BadInput(f"charge point {charger_id!r} has no password: {file} is empty", reason="no_key")
        return password


def charger_address(asset: Asset) -> tuple[str, int]:
    """Name and connector (from 1) from `NAME/connector`; without an address the asset's own name. Raises BadInput."""
    name, _, connector = (asset.address or asset.asset_id).partition("/")
    if not _NAME.fullmatch(name) or name.startswith(".") or (connector and not re.fullmatch(r"[1-9]\d?", connector)):
        raise BadInput(
            f"asset {asset.asset_id!r}: cannot read address {asset.address!r}; expected NAME/connector",
            reason="bad_address",
        )
    return name, int(connector or 1)
