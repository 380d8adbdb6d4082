"""The shipped device templates as rows of a table, for the manual and for the list of known devices."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from controls.templates.load_templates import FOLDER, NUMBER, Template, load_template, template_names
from data_quality.contracts.model import Model


class TemplateRow(Model):
    """One template in the words of a reader. sets, reads: names of capabilities, without their prefix."""

    template: str
    name: str
    brand: str
    kinds: tuple[str, ...]
    protocol: str
    sets: tuple[str, ...]
    reads: tuple[str, ...]
    has_device_ttl: bool
    is_synthetic: bool
    source: str


def template_rows(folder: Path = FOLDER) -> tuple[TemplateRow, ...]:
    """A row for each template of the folder, by name. Raises BadInput where one cannot be read."""
    return tuple(template_row(load_template(name, folder)) for name in template_names(folder))


def template_row(template: Template) -> TemplateRow:
    """The row of one template."""
    return TemplateRow(
        template=template.template,
        name=template.name,
        brand=template.brand,
        kinds=template.kinds,
        protocol=template.protocol,
        sets=_counted(name.removeprefix("set_") for name in template.settable),
        reads=_counted(name.removeprefix("read_") for name in template.readable),
        has_device_ttl=template.has_device_ttl,
        is_synthetic=template.is_synthetic,
        source=template.source,
    )


def _counted(names: Iterable[str]) -> tuple[str, ...]:
    """Names that differ by a number of two digits as one, with how many there are."""
    counts = Counter(re.sub(r"\d\d", NUMBER, name) for name in names)
    return tuple(name if count == 1 else f"{count} x {name}" for name, count in counts.items())
