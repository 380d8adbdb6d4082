"""A site file with one thing changed and every comment kept: a meter's parent or name, one meter or one use more."""

import json
from collections.abc import Mapping
from typing import Any

from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Seu
from data_quality.contracts.text import one_line
from data_quality.contracts.yaml_file import parsed, with_item, with_key, yaml_text


def with_parent(text: str, meter_id: str, parent: str, *, file: str = "") -> str:
    """The text of a site file with `parent: <parent>` beside the meter's id.

    Raises BadInput where the meter stands nowhere, twice, or has a parent already: a person decides then.
    """
    meters = parsed(text)["meters"]
    at = _place(meters, meter_id, f"parent: {parent}", file)
    if "parent" in meters[at] or "parents" in meters[at]:
        line = meters[at].lc.line + 1
        raise BadInput(
            f"meter {meter_id!r} has a parent already; change it by hand", file=file, line=line, reason="has_parent"
        )
    return with_key(text, ("meters", at), "parent", parent, beside="meter_id", file=file)


def with_meter_name(text: str, meter_id: str, name: str, *, file: str = "") -> str:
    """The text of a site file with a name beside the meter's id. Raises BadInput as with_parent."""
    at = _place(parsed(text)["meters"], meter_id, f"name: {one_line(name)}", file)
    quoted = json.dumps(one_line(name), ensure_ascii=False)
    return with_key(text, ("meters", at), "name", quoted, beside="meter_id", file=file)


def _place(meters: Any, meter_id: str, wanted: str, file: str) -> int:
    found = [at for at, meter in enumerate(meters) if meter.get("meter_id") == meter_id]
    if len(found) != 1:
        raise BadInput(
            f"meter {meter_id!r} stands at {len(found)} places; write '{wanted}' by hand", file=file,
            reason="cannot_patch",
        )  # fmt: skip
    return found[0]


def with_meter(text: str, said: Mapping[str, Any], *, file: str = "") -> str:
    """The text of a site file with one meter more. Raises BadInput where it has no place for one."""
    return with_item(text, "meters", yaml_text(dict(said)), file=file)


def with_seu(text: str, seu: Seu, *, note: str = "", file: str = "") -> str:
    """The text of a site file with one energy use more, by what was said of it. note: stands above it as a comment.

    Raises BadInput where the file has a use of that id, or is written in a way that has no place for one more.
    """
    if any(each.get("seu_id") == seu.seu_id for each in parsed(text).get("seus") or ()):
        raise BadInput(f"there is an energy use {seu.seu_id!r} already", file=file, reason="exists")
    said = seu.model_dump(mode="json", exclude_unset=True)
    item = yaml_text(said)
    # Behind the first key: a comment before an item would be the last one's.
    first, _, rest = item.partition("\n")
    return with_item(text, "seus", f"{first}{f'  # {one_line(note)}' if note else ''}\n{rest}", file=file)
