"""The examples of docs/ems/forecasting.md, run: `python -m tests.ml.forecasts.forecast_page` writes the page."""

import tempfile
from collections import defaultdict
from pathlib import Path

from ml.features.matrix import FEATURES, GROUPS
from tests.doc_sessions import replayed
from tests.ml.forecasts.test_cli_forecast import HOURS, START, degc, load
from tests.ml.forecasts.test_file_case import table

PAGE = Path(__file__).resolve().parents[3] / "docs" / "ems" / "forecasting.md"
_SHOWN = 4


def filled(page: str, folder: Path) -> str:
    """The page with every command's output and the registry's features as they are now."""
    table(folder / "office.csv", "kwh", load().tolist(), start=START)
    table(folder / "weather.csv", "temp_degc", degc(HOURS + 48).tolist(), start=START)
    head, mark, rest = page.partition("<!-- features -->\n")
    _, middle, tail = rest.partition("\nThere is one guard")
    return replayed(f"{head}{mark}{features()}{middle}{tail}", folder, ("forecast",))


def features() -> str:
    """Number of features, and a line a source: how many of it, known when, the first of them."""
    found = defaultdict(list)
    for feature in FEATURES.values():
        found[feature.source, feature.known.value].append(feature.name)
    rows = [
        f"| {source} | {known} | {len(names)} | {', '.join(f'`{name}`' for name in names[:_SHOWN])}"
        f"{' …' if len(names) > _SHOWN else ''} |"
        for (source, known), names in found.items()
    ]
    head = f"{len(FEATURES)} in {len(GROUPS)} groups, each with its unit, its source and from when on it is known.\n"
    return "\n".join([head, "| From | Known | Features | Such as |", "|---|---|---|---|", *rows, ""])


def main() -> None:
    """Write the page again."""
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
