"""Shared parts of the carbon commands: the option of the GWP set, findings as sentences, totals as text."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel

from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import GwpSet
from data_quality.contracts.finding import Finding
from orchestration.operations.answer import filled
from orchestration.operations.operation import Call, Option

GwpOption = Annotated[str | None, Option("AR4, AR5 or AR6: of gases that name no GWP set.")]
MAX_ALIKE = 3
_SCOPES = (
    ("Scope 1", "scope1_kgco2e"),
    ("Scope 2, location-based", "scope2_location_kgco2e"),
    ("Scope 2, market-based", "scope2_market_kgco2e"),
)


def report_findings(call: Call, findings: Sequence[Finding]) -> None:
    """Findings as sentences, of each kind three at most: forty lines that say the same hide the forty-first."""
    for code in dict.fromkeys(finding.code for finding in findings):
        alike = list(dict.fromkeys(finding.message for finding in findings if finding.code == code))
        for message in alike[:MAX_ALIKE]:
            call.say(message)
        if len(alike) > MAX_ALIKE:
            call.say(f"and {len(alike) - MAX_ALIKE} more of {code}")


def gwp_set(text: str | None) -> GwpSet | None:
    """The set of option --gwp. Raises BadInput."""
    if text is None:
        return None
    try:
        return GwpSet(text.upper())
    except ValueError as error:
        raise BadInput(f"--gwp: expected AR4, AR5 or AR6, got {text!r}", reason="bad_gwp") from error


def scopes_text(found: BaseModel) -> str:
    """The three totals of a result, a line each."""
    return "\n".join(
        f"{name}: not known" if getattr(found, key) is None else filled(f"{name}: {{{key}:,.1f}} kg CO2e", found)
        for name, key in _SCOPES
    )
