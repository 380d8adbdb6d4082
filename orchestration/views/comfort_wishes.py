"""Comfort bounds that overrides of a project's rooms suggest, as `advise preferences` shows and forgets them."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from assets.stores.ledgers.advice_acts import AdviceActs
from controls.ledger.device_holds import manual_settings
from controls.ledger.rows import read_commands
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.devices.room import Room, RoomParams
from controls.planning.suggestions import BoundSuggestion, Override, overrides_of, suggested_bounds
from data_quality.contracts.site_file.site import Site

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

# Of a preference that is no kind of recommendation: comfort:ROOM.
COMFORT = "comfort:"
# A reading of a room tells of its temperature so long.
_HOUR = timedelta(hours=1)


def comfort_wishes(
    project: "OpenProject", site: Site, person_id: str, *, now_utc: datetime, as_of_utc: datetime | None = None
) -> tuple[BoundSuggestion, ...]:
    """Suggested bounds of a site's rooms, less what the person forgot; as of then where an instant is given."""
    rooms: dict[str, RoomParams] = {
        asset.asset_id: Room.figures(asset, site.site_id) for asset, kind in device_assets(site) if kind is Room
    }
    if not rooms:
        return ()
    forgotten = AdviceActs(project.store).forgotten(person_id, as_of_utc=as_of_utc)
    found = [
        each
        for each in overrides_of(
            read_commands(project.store, site.site_id), manual_settings(project.store, site.site_id)
        )
        if each.device_id in rooms and not _is_over(each, forgotten)
    ]
    return suggested_bounds(
        found, rooms, _degc(project, site, found), time_zone=site.time_zone, now_utc=as_of_utc or now_utc
    )


def _is_over(each: Override, forgotten: dict[str, datetime]) -> bool:
    since = forgotten.get(COMFORT + each.device_id)
    return since is not None and each.at_utc <= since


def _degc(project: "OpenProject", site: Site, overrides: list[Override]) -> dict[tuple[str, datetime], float]:
    """Temperature by room and override: the last reading of the room's state meter in the hour before."""
    meters = {asset.asset_id: asset.state_meter for asset in site.assets}
    found = dict[tuple[str, datetime], float]()
    for each in overrides:
        if (meter := meters[each.device_id]) is None:
            continue
        rows = project.lake.current(
            site.site_id, start_utc=each.at_utc - _HOUR, end_utc=each.at_utc, meters=[meter]
        ).drop_nulls("value")
        if not rows.is_empty():
            found[each.device_id, each.at_utc] = float(rows.sort("interval_start_utc")["value"][-1])
    return found
