"""`meterloom tariff`: render, validate and convert tariffs."""

import json
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from assets.tariffs.file import read_tariffs
from assets.tariffs.show import price_weeks, tariff_text
from data_quality.contracts.errors import BadInput
from data_quality.contracts.tariff import Tariff
from data_quality.contracts.yaml_file import BadConfiguration
from orchestration.cli.frame import BAD_INPUT, DONE, Answer, Call, command

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Our language, URDB JSON or a simple table.")]


def register(app: typer.Typer) -> None:
    """Put the commands on the application."""
    group = typer.Typer(help="Tariffs: render, validate, convert.", no_args_is_help=True)
    app.add_typer(group, name="tariff")

    @command(group, "show", example="meterloom tariff show tariff.yaml --picture week.png")
    def show(
        call: Call,
        file: FileArgument,
        picture: Annotated[Path | None, typer.Option("--picture", help="Week heat-map (PNG), one per season.")] = None,
    ) -> Answer:
        """Render a tariff in words, and its energy price over the week as a picture."""
        tariffs = read_tariffs(file)
        paths = _pictures(tariffs, picture) if picture is not None else []
        text = "\n\n".join(tariff_text(tariff) for tariff in tariffs)
        return Answer(
            data={"valid": True, "errors": [], **_shown(tariffs), "pictures": [str(path) for path in paths]},
            text="\n".join([text, *(f"picture: {path}" for path in paths)]),
        )

    @command(group, "check", example="meterloom tariff check tariff.yaml --json")
    def check(call: Call, file: FileArgument) -> Answer:
        """Validate a tariff: every mistake with its line, and exactly one period at each instant."""
        try:
            tariffs = read_tariffs(file)
        except BadInput as fault:
            errors = _errors(fault)
            for sentence in errors:
                call.say(sentence)
            return Answer(data={"valid": False, "errors": errors, "tariff": {}}, exit_code=BAD_INPUT)
        return Answer(data={"valid": True, "errors": [], **_shown(tariffs)}, text=_valid(tariffs), exit_code=DONE)

    @command(group, "import", example="meterloom tariff import urdb.json --out tariff.json")
    def convert(
        call: Call,
        file: FileArgument,
        out: Annotated[
            Path | None, typer.Option("--out", help="Write our language here (JSON, which is YAML).")
        ] = None,
    ) -> Answer:
        """Convert a URDB rate or a simple table to our language."""
        tariffs = read_tariffs(file)
        documents = [tariff.model_dump(mode="json", exclude_defaults=True) for tariff in tariffs]
        document = documents[0] if len(documents) == 1 else {"tariffs": documents}
        text = json.dumps(document, indent=2, ensure_ascii=False)
        if out is not None:
            out.write_text(text + "\n", encoding="utf-8")
        return Answer(
            data={"valid": True, "errors": [], **_shown(tariffs), "path": str(out) if out else None},
            text=f"wrote {out}" if out else text,
        )


def _errors(fault: BadInput) -> list[str]:
    if not isinstance(fault, BadConfiguration):
        return [str(fault)]
    return [
        f"{problem.file}, line {problem.line}, column {problem.column}: {problem.message}"
        + (f" ({problem.mend})" if problem.mend else "")
        for problem in fault.problems
    ]


def _valid(tariffs: tuple[Tariff, ...]) -> str:
    names = ", ".join(tariff.tariff_id for tariff in tariffs)
    return f"valid: {names}; exactly one period holds at each quarter hour of every kind of day"


def _shown(tariffs: tuple[Tariff, ...]) -> dict[str, Any]:
    """The first tariff, and all of them where a file holds several."""
    shown = [_numbers(tariff.model_dump(exclude_defaults=True)) for tariff in tariffs]
    return {"tariff": shown[0]} if len(shown) == 1 else {"tariff": shown[0], "tariffs": shown}


def _numbers(value: Any) -> Any:
    """Rates as numbers, times of day as text."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers(item) for item in value]
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date | time) else value


def _pictures(tariffs: tuple[Tariff, ...], target: Path) -> list[Path]:
    """One picture per tariff, `name.png`; further tariffs get their number."""
    from orchestration.previews import week_heat_map

    found = []
    for number, tariff in enumerate(tariffs, start=1):
        weeks = price_weeks(tariff)
        if not weeks:
            continue
        path = target if number == 1 else target.with_stem(f"{target.stem}-{number}")
        path.write_bytes(week_heat_map(weeks, title=tariff.tariff_id, unit=f"{tariff.currency or ''}/kWh".lstrip("/")))
        found.append(path)
    if not found:
        raise BadInput("no energy price goes by hours: there is nothing to draw", reason="no_picture")
    return found
