"""The report as JSON: the typed content as it is, with unrounded figures. Same content, same bytes."""

from typing import Any

from pydantic_core import to_json

from reports.figures.unnamed import unnamed
from reports.report_content import ReportContent


def render_json(content: ReportContent) -> bytes:
    """UTF-8 JSON of the whole content; values of figures are floats for reading and exact text for checking.

    Peers of a single site are not named: who reads the file may see no other site.
    """
    if content.organisation is None:
        figures = tuple(unnamed(each, content.site_id.__eq__) for each in content.figures)
        content = content.model_copy(update={"figures": figures})
    body = content.model_dump(mode="json")
    # A draft calls itself a draft, whatever would stand against its publication.
    body |= {"status": content.life.status, "life": content.life.model_dump(mode="json")}
    for figure in body["figures"]:
        # Taken before it becomes a float: a double does not hold every decimal.
        figure["exact_value"] = figure["value"]
        figure["value"] = None if figure["value"] is None else float(figure["value"])
    # Standard json turns slow as soon as it indents; models hold neither NaN nor infinity.
    return to_json(body, indent=1) + b"\n"


def figure_rows(content: ReportContent) -> list[dict[str, Any]]:
    """The figures as `meterloom report --json` lists them."""
    bands = {each.figure_id: each.model_dump(mode="json", exclude={"figure_id"}) for each in content.bands}
    return [
        {
            "figure_id": figure.figure_id,
            "label": figure.label,
            "value": None if figure.value is None else float(figure.value),
            "unit": figure.unit,
            "uncertainty": figure.uncertainty,
            **({"band": bands[figure.figure_id]} if figure.figure_id in bands else {}),
            "status": figure.status,
            "findings": list(figure.findings),
        }
        for figure in content.figures
    ]
