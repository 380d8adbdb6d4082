"""Acts on a report: what a person is offered and why not, and the operation behind each."""

import shlex
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from assets.stores.published.publications import PublicationStore
from assets.stores.published.report_ledger import Revision
from assets.stores.sign import fingerprint
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.sentence import Sentence
from orchestration.operations.reports import reports as operations
from orchestration.web.request_context import Context
from orchestration.web.web_call import WebCall, has_keys, others_with_role
from reports.evidence.lifecycle import revision_state_at
from reports.pages.page import Act, Form, Input
from reports.pages.page_states import NO_KEY
from reports.pages.report_library import PATH, ReportLine
from reports.report_content import ReportContent, ReportState


class Kind(NamedTuple):
    """One act. command: of `meterloom reports`; step: as the ledger keeps it; label, asks, sends: of the button, the
    question and the button that sends it; after: what holds then.
    """

    needs: Permission
    role: Role
    command: str
    step: str
    label: str
    asks: str
    sends: str
    after: str
    operation: Callable[..., Any]


ACTS: Mapping[str, Kind] = {
    "return": Kind(
        Permission.REPORT_REVIEW, Role.REVIEWER, "return", "returned", "Return", "Return {0}?", "Return report",
        "Never published; another revision takes its place", operations.send_back,
    ),
    "review": Kind(
        Permission.REPORT_REVIEW, Role.REVIEWER, "review", "reviewed", "Approve review", "Approve review of {0}?",
        "Approve review", "Ready to publish by another person", operations.review,
    ),
    "publish": Kind(
        Permission.REPORT_PUBLISH, Role.PUBLISHER, "publish", "published", "Publish", "Publish {0}?", "Publish report",
        "Never changes again; its period is closed", operations.publish,
    ),
    "withdraw": Kind(
        Permission.REPORT_PUBLISH, Role.PUBLISHER, "withdraw", "withdrawn", "Withdraw", "Withdraw {0}?",
        "Withdraw report", "Anyone who checks the report sees this; its files stay as they are", operations.withdraw,
    ),
}  # fmt: skip
_NEXT: Mapping[str, tuple[str, ...]] = {"draft": ("return", "review"), "reviewed": ("return", "publish")}
_SIGNATURE = "Signed with your key {0} and recorded in the audit trail. It cannot be undone."
_NO_KEYS = "Nobody in this project has a key: recorded with your name, without a signature. It cannot be undone."


def acts_on(ctx: Context, line: ReportLine, content: ReportContent) -> tuple[tuple[Act, ...], str]:
    """Acts of the person on the report now, and in a sentence why the next step is not theirs."""
    if ctx.address.as_of_utc is not None or not line.is_newest:
        return (_acts(ctx, line, content, ("withdraw",)) if line.is_out and not ctx.address.as_of_utc else ()), ""
    names = ("withdraw",) if line.is_out else _NEXT.get(line.life.status, ())
    why = _why_not(ctx, line.life, names[-1]) if names else ""
    if why:
        names = names[:-1]
    return _acts(ctx, line, content, names), why


def act(ctx: Context, revision: Revision, name: str) -> None:
    """Do it as the command does. What the same person did already is done. Raises BadInput."""
    kind, project = ACTS[name], ctx.project
    life = revision_state_at(PublicationStore(project.store), revision.report_id, revision.revision, project.names)
    done = getattr(life, kind.step)
    if done is not None and done.person_id == ctx.person.person_id:
        return
    known_status = ctx.form.get("seen", "")
    if known_status != life.status:
        raise BadInput(
            f"the report is {life.status} now, and was {known_status[:20] or 'not looked at'} when the page was opened",
            reason="changed_since",
            mend="open the page again",
        )
    more = {"allow_synthetic": ctx.form.get("synthetic") == "1"} if name == "publish" else {}
    report_revision = f"{revision.report_id}@{revision.revision}"
    answer = kind.operation(WebCall(ctx), revision=report_revision, reason=ctx.form.get("reason", ""), **more)
    if answer.exit_code:
        raise BadInput(answer.text.replace("\n", " "), reason="against_publication")


def _acts(ctx: Context, line: ReportLine, content: ReportContent, names: tuple[str, ...]) -> tuple[Act, ...]:
    allowed = [each for each in names if may(ctx.person, ACTS[each].needs)]
    return tuple(_act(ctx, line, content, each) for each in allowed)


def _act(ctx: Context, line: ReportLine, content: ReportContent, name: str) -> Act:
    kind, people = ACTS[name], ctx.project.people
    public_key = people.public_keys.get(ctx.person.person_id, "")
    lacks_key = has_keys(people) and not public_key
    facts = [("After this", kind.after), ("Figures", str(len(content.figures)))]
    warnings = sum(each.severity != "info" for each in content.findings)
    facts.append(("Open findings", Sentence("{0}, listed in the report", warnings) if warnings else "none"))
    fields = [
        Input(name="reason", label="Comment" if name in ("review", "publish") else "Reason", is_required=True),
        Input(name="seen", kind="hidden", value=line.life.status),
    ]
    if name == "publish" and content.is_synthetic:
        facts.append(("Simulated readings", "published with that mark on every page"))
        fields.append(Input(name="synthetic", kind="hidden", value="1"))
    form = Form(
        title=kind.sends, action=f"{PATH}/{line.name}/{name}", fields=tuple(fields), public_key=public_key,
        command=_command(ctx, line, content, name) if public_key else "",
    )  # fmt: skip
    span = Sentence("{0}, {1}", line.title, line.span)
    # Its beginning tells keys apart in a sentence; the whole of it stands on the profile.
    note = Sentence(_SIGNATURE, f"{fingerprint(public_key)[:19]}…") if public_key else _NO_KEYS
    return Act(
        label=kind.label, question=Sentence(kind.asks, line.span), about=Sentence("{0}, revision {1}", span,
        content.revision), facts=tuple(facts), form=None if lacks_key else form,
        note=NO_KEY if lacks_key else note, is_first=name not in {"return", "withdraw"},
    )  # fmt: skip


def _command(ctx: Context, line: ReportLine, content: ReportContent, name: str) -> str:
    words = ["meterloom", "reports", ACTS[name].command, line.name, "--as", ctx.person.person_id]
    words += ["--allow-synthetic"] if name == "publish" and content.is_synthetic else []
    return f'{shlex.join(words)} --reason "…"'


def _why_not(ctx: Context, life: ReportState, name: str) -> str:
    """Reason that the person may not take that step; empty where they may."""
    kind, me = ACTS[name], ctx.person.person_id
    maker = life.prepared.person_id if life.prepared else ""
    before = life.reviewed.person_id if life.reviewed else ""
    excluded = {maker, before} if name in ("review", "publish") else set()
    able = others_with_role(ctx.project.people, kind.role, excluded | {me})
    if name in ("review", "publish") and me == maker:
        return Sentence("You made this report, and do not approve your own work. {0}", able)
    if name == "publish" and me == before:
        return Sentence("You reviewed this report: a second person publishes it. {0}", able)
    if not may(ctx.person, kind.needs):
        return Sentence("{0} needs the role {1}. {2}", Sentence(kind.label), Sentence(kind.role.value), able)
    return ""
