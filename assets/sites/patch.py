"""A site file with one thing changed and every comment kept: a meter's parent or name, one meter or use more, or a
tariff's next version.
"""

import json
from collections.abc import Mapping
from typing import Any

from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Seu
from data_quality.contracts.text import one_line
from data_quality.contracts.yaml_file import parsed, with_item, with_key, yaml_text


def with_parent(text: str, meter_id: str, parent: str, *, file: str = "") -> str:
    """The text of a site file with `parent: <parent>` next to the meter's id.

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
    """The text of a site file with a name next to the meter's id. Raises BadInput as with_parent."""
    at = _place(parsed(text)["meters"], meter_id, f"name: {one_line(name)}", file)
    quoted = json.dumps(one_line(name), ensure_ascii=False)
    return with_key(text, ("meters", at), "name", quoted, beside="meter_id", file=file)


def _place(items: Any, name: str, wanted: str, file: str, *, key: str = "meter_id") -> int:
    found = [at for at, each in enumerate(items) if each.get(key) == name]
    if len(found) != 1:
        raise BadInput(
            f"{key.removesuffix('_id')} {name!r} stands at {len(found)} places; write '{wanted}' by hand", file=file,
            reason="cannot_patch",
        )  # fmt: skip
    return found[0]


def with_meter(text: str, meter: Mapping[str, Any], *, file: str = "") -> str:
    """The text of a site file with one meter more. Raises BadInput where it has no place for one."""
    return with_item(text, "meters", yaml_text(dict(meter)), file=file)


def with_next_tariff(text: str, tariff_id: str, after: Tariff, *, file: str = "") -> str:
    """The text of a site file where a tariff ends on the day on which the next one, added behind it, begins.

    Raises BadInput where the tariff is not written in the file itself: a person decides then.
    """
    end = after.valid_from.isoformat()
    tariffs = [each if isinstance(each, Mapping) else {} for each in parsed(text).get("tariffs") or ()]
    at = _place(tariffs, tariff_id, f"valid_to: {end}", file, key="tariff_id")
    text = with_key(text, ("tariffs", at), "valid_to", end, beside="tariff_id", file=file, instead=True)
    return with_item(text, "tariffs", yaml_text(after.model_dump(mode="json", exclude_defaults=True)), file=file)


def with_seu(text: str, seu: Seu, *, note: str = "", file: str = "") -> str:
    """The text of a site file with one energy use more, by what was said of it. note: stands above it as a comment.

    Raises BadInput where the file has a use of that id, or is written in a way that has no place for one more.
    """
    if any(each.get("seu_id") == seu.seu_id for each in parsed(text).get("seus") or ()):
        raise BadInput(f"there is an energy use {seu.seu_id!r} already", file=file, reason="exists")
    fields = seu.model_dump(mode="json", exclude_unset=True)
    item = yaml_text(fields)
    # Behind the first key: a comment before an item would be the last one's.
    first, _, rest = item.partition("\n")
    return with_item(text, "seus", f"{first}{f'  # {one_line(note)}' if note else ''}\n{rest}", file=file)
