"""A saving from plain files corrected by other sites: each fitted and compared over the same days as the saving."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from assets.kpi.claims.comparison_group import (
    EXPLAINED,
    CorrectedSavings,
    GroupMember,
    corrected_savings,
    has_measure,
    no_baseline,
    too_few_days,
    unread,
)
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from ml.baselines.models.fit import Fit, fit_portfolio
from ml.baselines.savings.savings import MIN_COVERAGE, Savings, savings
from ml.baselines.usage_tables.usage_table import Usage

# A jump of the readings by a unit is a fault of the data; a change of use may be the shock that all have in common.
FAULTS = ("unit_change_suspected",)


class Member(NamedTuple):
    """A comparison site: both periods, and first days of its own measures, which bar it."""

    name: str
    usage: Usage
    measures: Sequence[date] = ()


def compared_group(
    fit: Fit, saved: Savings, members: Sequence[Member], *, model: str = "auto", today: date | None = None
) -> CorrectedSavings | tuple[Finding, ...]:
    """The saving without what the members saved over the same days, each against a baseline of the same period.

    model: as of `fit_portfolio`, for every member. Findings alone where fewer than three can be compared. Raises
    BadInput for members of another frequency.
    """
    if any(each.usage.frequency != fit.frequency for each in members):
        raise BadInput(f"a member is not {fit.frequency}, as the saving is", reason="mixed_parts")
    found, findings = list[GroupMember](), list[Finding]()
    # Of the same weather they are searched together.
    usages = [each.usage for each in members]
    fits = fit_portfolio(usages, start=fit.train_start, end=fit.train_end, model=model, today=today)
    for each, made in zip(members, fits, strict=True):
        one = _member(fit, saved, each, made)
        if isinstance(one, Finding):
            findings.append(one)
        else:
            found.append(one)
    return corrected_savings(
        found,
        expected_kwh=saved.expected_kwh,
        savings_kwh=saved.savings_kwh,
        uncertainty_kwh=saved.uncertainty_kwh,
        confidence=saved.confidence,
        left_out=findings,
        is_barred=any(finding.is_blocking for finding in saved.findings),
    )


def weighed(saved: Savings, found: CorrectedSavings | tuple[Finding, ...]) -> Savings:
    """The saving with the findings of its group: one that the group explains keeps its number and is not claimed."""
    findings = found if isinstance(found, tuple) else found.findings
    is_explained = any(each.code == EXPLAINED for each in findings)
    claimed = None if is_explained else saved.claimed_kwh
    return saved.model_copy(update={"claimed_kwh": claimed, "findings": (*saved.findings, *findings)})


def _member(own: Fit, saved: Savings, member: Member, fit: Fit | Finding) -> GroupMember | Finding:
    """The member's two energies, or why it is left out."""
    measure = next((day for day in member.measures if own.train_start <= day < saved.report_end), None)
    if measure is not None:
        return has_measure(member.name, f"{measure}")
    blocking = [fit] if isinstance(fit, Finding) else [each for each in fit.findings if each.is_blocking]
    if blocking or isinstance(fit, Finding):
        return no_baseline(member.name, blocking[0].message)
    made = savings(
        fit, member.usage, report_start=saved.report_start, report_end=saved.report_end,
        confidence=saved.confidence, resamples=0,
    )  # fmt: skip
    if isinstance(made, Finding):
        return unread(member.name, made.message)
    fault = next((each for each in made.findings if each.code in FAULTS), None)
    if fault is not None:
        return unread(member.name, fault.message)
    if made.coverage < MIN_COVERAGE:
        return too_few_days(member.name, made.coverage)
    return GroupMember(
        name=member.name,
        expected_kwh=made.expected_kwh,
        actual_kwh=made.actual_kwh,
        uncertainty_kwh=made.uncertainty_kwh,
    )
