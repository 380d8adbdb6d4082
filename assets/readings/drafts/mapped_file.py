"""A file whose columns a person mapped, in the draft of a site: the names in it become meters and drivers."""

from pathlib import Path

from assets.readings.drafts.map_draft import MapDraft, glob_of
from assets.readings.drafts.site_draft import SiteDraft
from assets.readings.sniff_files import read_file
from data_quality.contracts.site_file.site import ColumnMap


def add_mapped(draft: SiteDraft, path: Path, mapping: ColumnMap) -> None:
    """Meters and drivers of the file as the map reads it, with the map. Raises BadInput for a file it does not read."""
    channels = read_file(path, mapping=mapping).report.channels
    streams = {each.meter: draft.stream(each.meter, path, each.unit).partition(".")[0] for each in channels}
    of_values = {column: streams[name] for column, name in mapping.values.items() if name in streams}
    names = {"values": of_values} if mapping.values else {"meters": streams}
    later = mapping.model_copy(update={"match": glob_of(path.name), **names})
    draft.maps.append(MapDraft(keys=later.model_dump(mode="json", exclude_defaults=True)))
