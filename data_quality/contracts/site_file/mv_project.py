"""Measurement and verification of one measure: boundary, option, periods, and the fields of its plan (formulas 5.2)."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.time import months_before

_REFUSED = {
    "A": "option A stipulates some parameters, which Meterloom does not hold; it computes options B and C",
    "D": "option D needs a calibrated simulation, which Meterloom is not; it computes options B and C",
}


UseName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}/[a-z0-9][a-z0-9_-]{0,63}$")]
# Of two the spread has one degree of freedom, and says next to nothing.
MIN_MEMBERS = 3


class StaticFactor(Model):
    """Static factor of a use: floor area, shifts, equipment. Holds from `valid_from` to the next."""

    name: str = Field(min_length=1)
    value: str = Field(min_length=1)
    valid_from: date


class ProjectPlan(Model):
    """The plan of a project: what must be agreed before any installation. Empty fields are reported, not guessed."""

    drivers_because: str = Field(default="", description="Why these drivers")
    static_factors: tuple[str, ...] = ()
    accuracy_profile: str = Field(default="", description="Name of the accuracy profile that is agreed")
    # One standard deviation, at which ASHRAE Guideline 14 states a saving's uncertainty, is the least.
    confidence: float = Field(default=0.9, ge=0.68, le=0.99, description="Of the stated interval, 0–1")
    uncertainty_method: str = "Exact algebra with autocorrelation, held to 1.1 times the ASHRAE Guideline 14 form"
    non_routine_procedure: str = ""
    responsible: tuple[str, ...] = Field(default=(), description="person_ids")
    price_basis: str = ""
    report_format: str = ""


class MvProject(Model):
    """One project: `seu` names the use inside the boundary, or `meters` and `drivers` do.

    Baseline: the twelve months before the installation starts, unless `baseline_start` and `baseline_end` say another
    period. The days of the installation itself are in neither period. Dates are local and half-open.
    """

    project_id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    name: str = Field(min_length=1)
    boundary: str = Field(min_length=1, description="What is inside, in words")
    # All four letters pass, so that A and D are refused with their reason and not as a typing error.
    option: str = Field(pattern=r"^[ABCD]$", description="IPMVP option: B or C")
    seu: str | None = None
    meters: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    day_types: bool = False
    installation_start: date
    installation_end: date = Field(description="First day after the installation")
    baseline_start: date | None = None
    baseline_end: date | None = None
    reporting_start: date | None = Field(default=None, description="The end of the installation, where none is given")
    reporting_end: date
    comparison_group: tuple[UseName, ...] = Field(
        default=(),
        exclude_if=lambda named: not named,
        description="Uses without a measure, SITE/USE, three or more, whose relative saving is taken off",
    )
    interactive_effects: Literal["", "none_expected", "adjusted", "not_assessed"] = ""
    plan: ProjectPlan = ProjectPlan()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.option in _REFUSED:
            raise ValueError(f"project {self.project_id!r}: {_REFUSED[self.option]}")
        if (self.seu is None) == (not self.meters):
            raise ValueError(f"project {self.project_id!r}: give seu, or meters, and not both")
        if self.seu is not None and self.drivers:
            raise ValueError(f"project {self.project_id!r}: drivers: the seu brings its own")
        if (self.baseline_start is None) != (self.baseline_end is None):
            raise ValueError(f"project {self.project_id!r}: baseline_start and baseline_end go together")
        start, end = self.baseline_period
        if end <= start or end > self.installation_start:
            raise ValueError(
                f"project {self.project_id!r}: the baseline [{start}, {end}) must lie before the installation, which "
                f"starts on {self.installation_start}"
            )
        if self.installation_end < self.installation_start:
            raise ValueError(f"project {self.project_id!r}: the installation ends before it starts")
        if self.comparison_group and len(set(self.comparison_group)) < MIN_MEMBERS:
            raise ValueError(
                f"project {self.project_id!r}: a comparison group needs {MIN_MEMBERS} different uses or more, it has "
                f"{len(set(self.comparison_group))}"
            )
        first, after = self.reporting_period
        if first < self.installation_end or after <= first:
            raise ValueError(
                f"project {self.project_id!r}: the reporting period [{first}, {after}) must follow the installation, "
                f"which ends on {self.installation_end}"
            )
        return self

    @property
    def baseline_period(self) -> tuple[date, date]:
        """Local dates [start, end) of the baseline."""
        if self.baseline_start is not None and self.baseline_end is not None:
            return self.baseline_start, self.baseline_end
        # Twelve months hold each season once: less would stretch the model into one that it never saw.
        end = self.installation_start
        # The year before a leap year has no 29 February: a day more is better than a day less.
        return months_before(end, 12), end

    @property
    def reporting_period(self) -> tuple[date, date]:
        """Local dates [start, end) of the reporting period."""
        return self.reporting_start or self.installation_end, self.reporting_end
