"""The report as JSON: the typed content as it is, with unrounded figures. Same content, same bytes."""

import json
from typing import Any

from reports.content.model import ReportContent


def render_json(content: ReportContent) -> bytes:
    """UTF-8 JSON of the whole content; values of figures are floats for reading and exact text for checking."""
    body = content.model_dump(mode="json")
    for figure in body["figures"]:
        figure["exact_value"] = figure["value"]
        figure["value"] = None if figure["value"] is None else float(figure["value"])
    return (json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def figure_rows(content: ReportContent) -> list[dict[str, Any]]:
    """The figures as `meterloom report --json` lists them."""
    return [
        {
            "figure_id": figure.figure_id,
            "label": figure.label,
            "value": None if figure.value is None else float(figure.value),
            "unit": figure.unit,
            "uncertainty": figure.uncertainty,
            "status": figure.status,
        }
        for figure in content.figures
    ]
