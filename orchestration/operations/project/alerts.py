"""`meterloom alerts`: alert rules of sites with their versions, and when one would have fired."""

from collections.abc import Iterable
from typing import Annotated, Any

from assets.stores.ledgers.alert_rules import AlertRules, RuleVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.site_file.alert_rule import AlertRule
from data_quality.contracts.site_file.site import Site
from orchestration.operations.answer import Answer, Table, finding_lines
from orchestration.operations.operation import PROJECT, READS, Argument, Call, Option, operation
from orchestration.operations.options import AnySiteOption
from orchestration.views.alert_rules.rule_preview import preview

RULES = Table(
    "rules",
    "id | site | kind | version: {version} | enabled | severity: {severity:|-} | limit: {limit:g|-} {unit:|}",
    empty="no site file has alert_rules",
)
FIRED = Table(
    "would_have_fired",
    "from: {start_utc} | to: {end_utc:|-} | scope: {scope:|-} | value: {value:,.1f|-} {unit:|} "
    "| limit: {limit:g|-} {unit:|}",
    empty="it would not have fired",
)


@operation("alerts list", takes=READS, example="--site factory")
def alerts_list(call: Call, site: AnySiteOption = None) -> Answer:
    """List the alert rules of a site, or of all, with the version of each."""
    sites = [call.project.site(site)] if site else list(call.project.sites.values())
    return Answer({"site": site, "rules": [each for one in sites for each in _listed(call, one)]}, RULES)


@operation("alerts test", repeats=True, takes=PROJECT, example="nights --site factory")
def alerts_test(
    call: Call,
    rule: Annotated[str, Argument("Its rule_id.", metavar="RULE")],
    site: AnySiteOption = None,
    months: Annotated[int, Option("How far back, 1 to 36.", min=1, max=36)] = 12,
) -> Answer:
    """Say when a rule as it stands would have fired in the last months. Nothing is stored."""
    where, found, version = _the_rule(call, rule, site)
    made = preview(call.project, where, found, months=months, now_utc=call.clock.now_utc())
    rows = [each.model_dump() for each in made.fired]
    times = f"{len(rows)} time{'' if len(rows) == 1 else 's'}"
    headline = f"{where.site_id} {found.rule_id}, version {version.version}: {times} in {months} months"
    result = {
        "site": where.site_id, "rule": found.rule_id, "kind": found.kind, "version": version.version, "months": months,
        "start": made.start, "end": made.end, "would_have_fired": rows, "findings": made.findings,
    }  # fmt: skip
    return Answer(result, FIRED, "\n".join([headline, *finding_lines(made.findings)]))


def rule_row(rule: dict[str, Any], version: RuleVersion) -> dict[str, Any]:
    """A rule in JSON."""
    return {
        "id": version.rule_id,
        "site": version.site_id,
        "kind": version.kind,
        "version": version.version,
        "enabled": rule["enabled"],
        "name": rule["name"],
        "scope": rule.get("scope"),
        "severity": rule["severity"],
        "limit": rule.get("limit"),
        "unit": rule.get("unit", ""),
        "recorded_at_utc": version.recorded_at_utc,
        "person_id": version.person_id,
        "rule": rule,
    }


def _listed(call: Call, site: Site) -> Iterable[dict[str, Any]]:
    """Rules of the site file now, or as they were recorded by then."""
    ledger, as_of_utc = AlertRules(call.project.store), call.as_of_utc
    known = [each for _, each in ledger.of(site)] if as_of_utc is None else ledger.as_of(site.site_id, as_of_utc)
    return [rule_row(each.rule, each) for each in known if each.rule is not None]


def _the_rule(call: Call, rule_id: str, site_id: str | None) -> tuple[Site, AlertRule, RuleVersion]:
    """The one rule of that id. Raises BadInput (no_rule) for none, or several sites with one."""
    sites = [call.project.site(site_id)] if site_id else list(call.project.sites.values())
    known = [(site, *each) for site in sites for each in AlertRules(call.project.store).of(site)]
    found = [each for each in known if each[1].rule_id == rule_id]
    if len(found) != 1:
        there = f"{len(found)} sites have an" if found else "no site has an" if site_id is None else f"{site_id} has no"
        mend = "name one with --site" if found else did_you_mean(rule_id, [each[1].rule_id for each in known])
        raise BadInput(
            f"{there} alert rule {rule_id!r}", reason="no_rule", mend=mend or "meterloom alerts list shows them"
        )
    return found[0]
