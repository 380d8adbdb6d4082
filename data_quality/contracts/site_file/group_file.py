"""A comparison group as a file: sites without a measure, each by the files of its meter and its weather."""

from datetime import date
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.site_file.mv_project import MIN_MEMBERS


class MemberFiles(Model):
    """One member. Files stand relative to the group's file; those that are not named are those of the command.

    meter: which of several in the energy file; measures: first days of measures that the member had, which bar it.
    """

    name: str = Field(min_length=1)
    energy: Path
    meter: str | None = None
    weather: Path | None = None
    drivers: Path | None = None
    measures: tuple[date, ...] = ()


class GroupFile(Model):
    """A group of three members or more, each with a name of its own."""

    members: tuple[MemberFiles, ...]

    @model_validator(mode="after")
    def _is_a_group(self) -> Self:
        names = [each.name for each in self.members]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"member {twice!r} appears twice")
        if len(names) < MIN_MEMBERS:
            raise ValueError(f"a comparison group needs {MIN_MEMBERS} members or more, it has {len(names)}")
        return self
