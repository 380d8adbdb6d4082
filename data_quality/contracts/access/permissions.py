"""Permissions in the pages and the API: one table of roles and permissions, and the scopes of a person.

Acts are judged by their own functions once more (role, own work, signature); this table decides what is asked at all.
"""

from collections.abc import Iterable
from enum import StrEnum

from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role


class Permission(StrEnum):
    """Permission that a route needs."""

    READ = "ems.read"
    WRITE = "ems.write"
    METER_READ = "ems.meter.read"
    METER_UPDATE = "ems.meter.update"
    METER_COMMISSION = "ems.meter.commission"
    READINGS_PUSH = "ems.readings.push"
    TARIFF_READ = "ems.tariff.read"
    TARIFF_UPDATE = "ems.tariff.update"
    BILL_READ = "ems.bill.read"
    BILL_UPLOAD = "ems.bill.upload"
    BILL_RECONCILE = "ems.bill.reconcile"
    BASELINE_READ = "ems.baseline.read"
    BASELINE_CREATE = "ems.baseline.create"
    BASELINE_APPROVE = "ems.baseline.approve"
    MV_RUN = "ems.mv.run"
    CARBON_READ = "ems.carbon.read"
    CARBON_FACTOR_UPDATE = "ems.carbon.factor.update"
    FORECAST_READ = "ems.forecast.read"
    FORECAST_RUN = "ems.forecast.run"
    ANOMALY_READ = "ems.anomaly.read"
    ANOMALY_UPDATE = "ems.anomaly.update"
    AI_RUN = "ems.ai.run"
    AI_ACCEPT = "ems.ai.recommendation.accept"
    NILM_READ = "ems.nilm.read"
    NILM_RUN = "ems.nilm.run"
    DR_READ = "ems.dr.read"
    DR_EXECUTE = "ems.dr.execute"
    DR_PROFILE_UPDATE = "ems.dr.profile.update"
    DR_APPROVE = "ems.dr.approve"
    WORKFLOW_DECIDE = "ems.workflow.decide"
    REPORT_READ = "ems.report.read"
    REPORT_RUN = "ems.report.run"
    REPORT_REVIEW = "ems.report.review"
    REPORT_PUBLISH = "ems.report.publish"
    LIVE_READ = "ems.live.read"
    DISPATCH_READ = "ems.dispatch.read"
    DISPATCH_OVERRIDE = "ems.dispatch.override"
    DISPATCH_STOP = "ems.dispatch.stop"
    DISPATCH_MODE = "ems.dispatch.mode"
    AUDIT_READ = "ems.audit.read"
    SETTINGS_UPDATE = "ems.settings.update"
    KEYS_OWN = "ems.keys.own"
    PEOPLE_ADMIN = "ems.people.admin"


P = Permission
_VIEWER = frozenset({
    P.READ, P.METER_READ, P.TARIFF_READ, P.BILL_READ, P.BASELINE_READ, P.CARBON_READ, P.FORECAST_READ, P.ANOMALY_READ,
    P.NILM_READ, P.DR_READ, P.REPORT_READ, P.LIVE_READ, P.KEYS_OWN,
    # Of people of every role: which one decides, the workflow itself says.
    P.WORKFLOW_DECIDE,
})  # fmt: skip
_OPERATOR = _VIEWER | {
    P.DISPATCH_READ, P.DISPATCH_OVERRIDE, P.DISPATCH_STOP, P.DR_EXECUTE, P.ANOMALY_UPDATE,
}  # fmt: skip
OF_ROLE: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.TENANT: frozenset({P.READ}),
    Role.ANALYST: _VIEWER | {
        P.BASELINE_CREATE, P.MV_RUN, P.FORECAST_RUN, P.BILL_UPLOAD, P.BILL_RECONCILE, P.REPORT_RUN, P.ANOMALY_UPDATE,
        P.AI_RUN, P.NILM_RUN,
    },
    Role.APPROVER: _VIEWER | {P.BASELINE_APPROVE, P.DR_APPROVE, P.AI_ACCEPT},
    Role.OPERATOR: _OPERATOR,
    Role.ENGINEER: _OPERATOR | {
        P.WRITE, P.METER_UPDATE, P.METER_COMMISSION, P.TARIFF_UPDATE, P.CARBON_FACTOR_UPDATE, P.DISPATCH_MODE,
        P.DR_PROFILE_UPDATE, P.SETTINGS_UPDATE, P.READINGS_PUSH,
    },
    Role.REVIEWER: _VIEWER | {P.REPORT_REVIEW, P.AUDIT_READ},
    Role.PUBLISHER: _VIEWER | {P.REPORT_PUBLISH},
    Role.AUDITOR: _VIEWER | {P.DISPATCH_READ, P.AUDIT_READ},
    # No energy data by itself: who lets people in need not see what they see.
    Role.ADMIN: frozenset({P.PEOPLE_ADMIN, P.SETTINGS_UPDATE, P.KEYS_OWN}),
}  # fmt: skip


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    """Permissions of people of these roles; nothing without a role."""
    return frozenset().union(*(OF_ROLE[role] for role in roles))


def may(person: Person, permission: Permission) -> bool:
    """True where one of the person's roles gives the permission."""
    return permission in permissions_of(person.roles)


def expect(person: Person, permission: Permission) -> None:
    """Raises BadInput (missing_role) for a person who may not; names the roles that may."""
    if not may(person, permission):
        roles = ", ".join(role.value for role, has in OF_ROLE.items() if permission in has)
        raise BadInput(f"{person.name} may not do this; it needs one of the roles {roles}", reason="missing_role")


def sees_site(person: Person, site_id: str) -> bool:
    """True where the site is one of the person's; without a list all are."""
    return not person.sites or site_id in person.sites


def lets_in(admin: Person, person: Person) -> bool:
    """True where the person is one whose access that admin decides: anybody, or for an admin of some sites who sees no
    other.
    """
    return not admin.sites or (bool(person.sites) and set(admin.sites).issuperset(person.sites))


def sees_whole_site(person: Person) -> bool:
    """True where the person sees more of a site than their own tenants' parts: by a role beside tenant that reads
    energy data. An admin's reads none, so it adds nothing to a tenant's.
    """
    reading = [role for role in person.roles if P.READ in OF_ROLE[role]]
    return any(role is not Role.TENANT for role in reading or person.roles)


def sees_scope(person: Person, site_id: str, scope: str) -> bool:
    """True where the person may see a scope of a site: of theirs, and for a tenant one of their own tenants."""
    if not sees_site(person, site_id):
        return False
    if sees_whole_site(person):
        return True
    # A part of a scope stands behind a stroke: tenant:law/lighting.
    return any(scope.split("/", maxsplit=1)[0] == f"tenant:{tenant}" for tenant in person.tenants)
