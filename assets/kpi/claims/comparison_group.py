"""Comparison groups: the saving of a site with a measure, less what sites without one saved in the same time.

Difference in differences on relative savings s = (expected − actual) / expected: a shock that all sites share (an
epidemic, a price, weather that the models get wrong alike) is in the group's mean and leaves the saving. The correction
is only as good as the group is alike, so its band rests on how far its members lie from each other.
"""

import math
from collections.abc import Sequence
from datetime import date

from assets.kpi.enpi.savings_band import two_sided_t
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Numeral, Sentence
from data_quality.contracts.site_file.mv_project import MIN_MEMBERS

# Codes of findings by which a member is not compared, one for each.
LEFT_OUT = frozenset(
    f"member_{why}"
    for why in ("has_measure", "too_few_days", "no_baseline", "not_comparable", "trained_on_report", "unknown")
)
EXPLAINED, LOWERED, TOO_SMALL = "group_explains_saving", "group_lowers_saving", "group_too_small"
# As good as a normal distribution: half-widths of members go back to standard errors by it.
_MANY = 1e6


class GroupMember(Model):
    """One site without a measure over the reporting period. Energies in kWh, or in the unit of all of them.

    uncertainty_kwh: half-width of its saving at the confidence of the whole; None where its model has none.
    """

    name: str
    expected_kwh: float
    actual_kwh: float
    uncertainty_kwh: float | None

    @property
    def share(self) -> float:
        """Saving over expected energy, 0–1; below zero where more was used."""
        return (self.expected_kwh - self.actual_kwh) / self.expected_kwh


class CorrectedSavings(Model):
    """A saving without what the group saved too. Energies as of the saving; shares of the expected energy, 0–1.

    group_share: mean of the members' relative savings, spread_share: their standard deviation; shift_kwh: what the
    correction added to the saving; claimed_kwh: the saving where it exceeds its uncertainty and nothing bars it.
    findings: what speaks of group and correction, those of members left out first.
    """

    members: tuple[GroupMember, ...]
    group_share: float
    spread_share: float
    shift_kwh: float
    savings_kwh: float
    savings_percent: float
    confidence: float
    uncertainty_kwh: float
    interval_kwh: tuple[float, float]
    is_significant: bool
    claimed_kwh: float | None
    findings: tuple[Finding, ...]


def corrected_savings(
    members: Sequence[GroupMember],
    *,
    expected_kwh: float,
    savings_kwh: float,
    uncertainty_kwh: float,
    confidence: float,
    left_out: Sequence[Finding] = (),
    is_barred: bool = False,
) -> CorrectedSavings | tuple[Finding, ...]:
    """The saving corrected by the group; findings alone, why first, where fewer than three members can be compared.

    members: those that can be compared; left_out: one finding or more for each that cannot, or only with care.
    is_barred: something forbids to claim the saving already.
    """
    if len(members) < MIN_MEMBERS:
        named = len(members) + sum(each.code in LEFT_OUT for each in left_out)
        too_small = Finding(
            code=TOO_SMALL,
            message=Sentence(
                "{0} of {1} members of the comparison group can be compared and {2} are needed: the saving is "
                "not corrected.",
                len(members),
                named,
                MIN_MEMBERS,
            ),
            facts={"members": len(members), "named": named, "wanted": MIN_MEMBERS},
        )
        return too_small, *left_out
    shares = [each.share for each in members]
    mean = math.fsum(shares) / len(shares)
    spread = math.sqrt(math.fsum((each - mean) ** 2 for each in shares) / (len(shares) - 1))
    half = expected_kwh * _half_share(members, spread, uncertainty_kwh / expected_kwh, confidence)
    saved = savings_kwh - expected_kwh * mean
    found = list(left_out)
    if savings_kwh > uncertainty_kwh and not saved > half:
        found.append(_explained(mean, saved / expected_kwh, half / expected_kwh))
    elif savings_kwh > uncertainty_kwh and expected_kwh * mean > uncertainty_kwh:
        # What is claimed without the group is off by more than its own band says.
        found.append(_lowered(mean, saved / expected_kwh, half / expected_kwh))
    is_claimed = saved > half and not is_barred
    return CorrectedSavings(
        members=tuple(members), group_share=mean, spread_share=spread, shift_kwh=-expected_kwh * mean,
        savings_kwh=saved, savings_percent=100.0 * saved / expected_kwh, confidence=confidence, uncertainty_kwh=half,
        interval_kwh=(saved - half, saved + half), is_significant=abs(saved) > half,
        claimed_kwh=saved if is_claimed else None, findings=tuple(found),
    )  # fmt: skip


def _half_share(members: Sequence[GroupMember], spread: float, own: float, confidence: float) -> float:
    """Half-width of the corrected saving, as a share of the expected energy. own: that of the saving itself.

    In quadrature: the own band; how far one site goes its own way, which is the spread less what the members' own
    models scatter; and the error of the group's mean. Never less than the plain spread of one site around such a mean:
    where models scatter more than their bands say, the spread tells it.
    """
    n = len(members)
    t_value, normal = two_sided_t(confidence, n - 1), two_sided_t(confidence, _MANY)
    noises = [(each.uncertainty_kwh or 0.0) / each.expected_kwh / normal for each in members]
    drift = max(spread**2 - math.fsum(each**2 for each in noises) / n, 0.0)
    combined = math.hypot(own, t_value * math.sqrt(drift + spread**2 / n))
    return max(combined, t_value * spread * math.sqrt(1.0 + 1.0 / n))


def _explained(group: float, left: float, half: float) -> Finding:
    return Finding(
        code=EXPLAINED,
        message=Sentence(
            "The comparison group saved {0} without a measure. Of the saving {1} ± {2} of the expected energy is left: "
            "nothing is claimed.",
            Numeral(f"{group:+.1%}"),
            Numeral(f"{left:+.1%}"),
            Numeral(f"{half:.1%}"),
        ),
        facts={"group_share": group, "share": left, "uncertainty_share": half},
    )


def _lowered(group: float, left: float, half: float) -> Finding:
    return Finding(
        code=LOWERED,
        message=Sentence(
            "The comparison group saved {0} without a measure. Of the saving {1} ± {2} of the expected energy is left, "
            "less than the model alone says.",
            Numeral(f"{group:+.1%}"),
            Numeral(f"{left:+.1%}"),
            Numeral(f"{half:.1%}"),
        ),
        facts={"group_share": group, "share": left, "uncertainty_share": half},
    )


def left_out(name: str, code: str, message: str, **facts: float) -> Finding:
    """A finding about a member that is not compared. message: a sentence that names it."""
    return Finding(code=code, message=message, scope=f"member:{name}", facts={**facts})


def has_measure(name: str, what: str) -> Finding:
    """A member with a measure of its own: its saving is no shock that all share."""
    message = Sentence("{0} of the comparison group has a measure of its own ({1}) and is left out.", name, what)
    return left_out(name, "member_has_measure", message)


def too_few_days(name: str, share: float) -> Finding:
    """A member of which too little of the period can be compared."""
    message = Sentence(
        "{0} of the comparison group: only {1} of the period can be compared, so it is left out.",
        name,
        Numeral(f"{share:.0%}"),
    )
    return left_out(name, "member_too_few_days", message, coverage=share)


def no_baseline(name: str, why: str = "") -> Finding:
    """A member without a baseline that somebody approved. why: of plain files, what blocks such an approval."""
    if why:
        message = Sentence("{0} of the comparison group has no usable baseline and is left out: {1}", name, why)
    else:
        message = Sentence("{0} of the comparison group has no approved baseline and is left out.", name)
    return left_out(name, "member_no_baseline", message)


def unread(name: str, why: str) -> Finding:
    """A member whose readings of the period cannot be believed, and why."""
    message = Sentence("{0} of the comparison group is left out: {1}", name, why)
    return left_out(name, "member_not_comparable", message)


def trained_on_report(name: str) -> Finding:
    """A member whose baseline has seen days of the reporting period: it expects what it is to be held against."""
    message = Sentence(
        "{0} of the comparison group: its baseline was fitted on days of the reporting period; it is left out.", name
    )
    return left_out(name, "member_trained_on_report", message)


def unknown(name: str) -> Finding:
    """A member that is no use of a site of the project."""
    message = Sentence("{0} of the comparison group: there is no such use.", name)
    return left_out(name, "member_unknown", message)


def other_years(name: str, start: date, end: date) -> Finding:
    """A member that is compared, though its baseline is of other days than that of the saving."""
    message = Sentence("{0} of the comparison group has a baseline of other days, {1} to {2}.", name, start, end)
    return Finding(code="member_other_years", message=message, scope=f"member:{name}")
