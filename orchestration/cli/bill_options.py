"""Options that several commands of `bill` share."""

from pathlib import Path
from typing import Annotated

import typer

LoadOption = Annotated[Path | None, typer.Option("--load", help="Interval energy: timestamp,kwh|kw|m3.")]
PricesOption = Annotated[Path | None, typer.Option("--prices", help="timestamp,<currency>_per_kwh|_per_mwh.")]
