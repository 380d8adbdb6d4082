"""A site file with one thing changed and every comment kept: where a meter's parent is written."""

from data_quality.contracts.errors import BadInput
from data_quality.contracts.yaml_file import parsed, with_key


def with_parent(text: str, meter_id: str, parent: str, *, file: str = "") -> str:
    """The text of a site file with `parent: <parent>` beside the meter's id.

    Raises BadInput where the meter stands nowhere, twice, or has a parent already: a person decides then.
    """
    meters = parsed(text)["meters"]
    found = [at for at, meter in enumerate(meters) if meter.get("meter_id") == meter_id]
    if len(found) != 1:
        raise BadInput(
            f"meter {meter_id!r} stands at {len(found)} places; write 'parent: {parent}' by hand",
            file=file,
            reason="cannot_patch",
        )
    at = found[0]
    if "parent" in meters[at] or "parents" in meters[at]:
        line = meters[at].lc.line + 1
        raise BadInput(
            f"meter {meter_id!r} has a parent already; change it by hand", file=file, line=line, reason="has_parent"
        )
    return with_key(text, ("meters", at), "parent", parent, beside="meter_id", file=file)
