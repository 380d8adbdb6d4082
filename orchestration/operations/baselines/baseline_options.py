"""Options of the baseline commands that read plain files, and the usage that they name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import parse_period
from orchestration.operations.answer import CHECK_FAILED, Answer, finding_lines
from orchestration.operations.operation import Option
from orchestration.operations.options import MapOption, column_map

if TYPE_CHECKING:
    from ml.baselines.usage_tables.usage_table import Frequency, Usage

FREQUENCIES = ("hourly", "daily", "billing")
TrainOption = Annotated[
    str | None, Option("Baseline period START/END, local dates, END excluded; with --site into its file.")
]
ModelOption = Annotated[str, Option("auto, or a model by name.")]


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of a use and how to read them: the options that every command over plain files has."""

    energy: Annotated[Path | None, Option("Energy: timestamp,<kwh|kw|therm|m3 …>.")] = None
    weather: Annotated[Path | None, Option("Weather: timestamp,temp_degc.")] = None
    drivers: Annotated[Path | None, Option("Drivers: timestamp|date,<name>…")] = None
    frequency: Annotated[str | None, Option("hourly, daily or billing.")] = None
    meter: Annotated[str | None, Option("Which meter of the energy file.")] = None
    tz: Annotated[str | None, Option("Zone of the local calendar (IANA).")] = None
    mapping: MapOption = None
    weather_map: Annotated[Path | None, Option("Column map (YAML) of the weather file.")] = None
    country: Annotated[str | None, Option("Whose public holidays are offered (ISO 3166); 'none' for no holidays.")] = (
        None
    )
    subdivision: Annotated[str | None, Option("Part of the country with its holidays.")] = None
    kwh_per_m3: Annotated[float | None, Option("Heat value of a gas volume, kWh per m3.")] = None
    zero_is_missing: Annotated[
        bool | None,
        Option(
            "Zeros are no readings, all of them (default: of electricity, unless its meter often reads zero).",
            "--zero-is-missing/--zero-is-use",
        ),
    ] = None

    def usage(self) -> "Usage":
        """The usage of the files. Raises BadInput."""
        from ml.baselines.usage_tables.read_usage import Source, read_usage

        if self.energy is None:
            raise BadInput("expected an energy file", reason="no_rows", mend="give --energy FILE")
        if self.kwh_per_m3 is not None and self.kwh_per_m3 <= 0:
            raise BadInput(f"--kwh-per-m3 {self.kwh_per_m3:g}: expected a number above 0", reason="bad_number")
        return read_usage(
            Source(self.energy, column_map(self.mapping), self.meter),
            None if self.weather is None else Source(self.weather, column_map(self.weather_map)),
            self.drivers,
            frequency=frequency_of(self.frequency),
            zone=self.tz,
            # Nothing said is not "none": then the country follows from the zone.
            country="" if self.country == "none" else self.country,
            subdivision=self.subdivision,
            kwh_per_m3=self.kwh_per_m3,
            zero_is_missing=self.zero_is_missing,
        )


def frequency_of(text: str | None) -> "Frequency":
    """The frequency named. Raises BadInput."""
    if text not in FREQUENCIES:
        got = "nothing" if text is None else repr(text)
        raise BadInput(f"--frequency: expected {', '.join(FREQUENCIES)}, got {got}", reason="bad_request")
    return cast("Frequency", text)


def dates_of(text: str | None, option: str) -> tuple[date, date]:
    """Local dates [start, end) of a period option. Raises BadInput."""
    if text is None:
        raise BadInput(f"expected {option} START/END, for instance {option} 2024-01-01/2025-01-01", reason="bad_period")
    # Only the dates are asked for: they are local whatever the zone.
    found = parse_period(text, "UTC")
    return found.start, found.end


def refusal(what: str, findings: Sequence[Finding], keys: Mapping[str, Any]) -> Answer:
    """No figure, and why: every key is there, none looks like a number. Exit code 1."""
    text = "\n".join([f"no {what}", *finding_lines(findings)])
    return Answer({**keys, "findings": findings}, text=text, exit_code=CHECK_FAILED)
