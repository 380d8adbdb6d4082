"""Tasks: the work orders of a site as a list, one with its history and what can be done, and those of a finding.

Widget of the tasks: the most urgent open work orders of a site, with who has them and until when.
"""

from collections.abc import Mapping, Sequence

from data_quality.contracts.model import Model
from data_quality.contracts.reporting.anomaly_event import Cause
from data_quality.contracts.reporting.open_finding import SEVERITY_WORDS, OpenFinding
from data_quality.contracts.reporting.work_order import PRIORITIES, OrderState, Priority, WorkOrder
from data_quality.contracts.sentence import Sentence, Text, sentence_of, sentences
from reports.pages.address import Address
from reports.pages.anomaly import AnomalyDetail, anomaly_part
from reports.pages.numbers import Number
from reports.pages.page import REASON, Choice, Form, Input, Item, Option, Page, PageBlock, Part, Widget
from reports.pages.widgets.tile import TileInput
from reports.report_content import Cell, Paragraph, Table, Tone, table
from reports.texts.locales import languages, named, page_word, short_date

PATH = "/tasks"
ACTS: dict[str, OrderState] = {"assign": "assigned", "close": "done", "cancel": "cancelled"}
_LABELS = {"assign": "Assign task", "close": "Close task", "cancel": "Cancel task"}
TONES: dict[Priority, Tone] = {"P1": "bad", "P2": "bad", "P3": "caution", "P4": "muted"}
# Of an anomaly, by its likely cause; {0} is the finding.
_TITLES: dict[Cause, str] = {
    "sensor_fault": "Check the meter: {0}", "waste": "Stop the waste: {0}",
    "scheduled_change": "Confirm the change: {0}", "weather": "Compare with the weather: {0}",
    "unknown": "Find the cause: {0}",
}  # fmt: skip
_MOST_LETTERS = 200
APPROVALS = "/tasks/approvals"


class WaitingApproval(Model):
    """An instance of a workflow that waits. title: of its workflow; told: what set it off and what came of its steps;
    roles: who may answer; refusal: why it is not for who looks, empty where it is.
    """

    instance_id: str
    site_id: str
    title: str
    summary: Text
    roles: Text
    refusal: Text = ""


def approval_blocks(approvals: Sequence[WaitingApproval], address: Address) -> tuple[PageBlock, ...]:
    """A form each; to whom it is not for, a sentence."""
    return tuple(block for each in approvals for block in _blocks(each, address))


def _blocks(approval: WaitingApproval, address: Address) -> tuple[PageBlock, ...]:
    summary = Paragraph(text=Sentence("{0}: {1}", Sentence(approval.title), approval.summary))
    if approval.refusal:
        return summary, Paragraph(text=approval.refusal, tone="muted")
    answers = (("approve", "Approve"), ("refuse", "Refuse"))
    form = Form(
        key=f"approve-{approval.instance_id}", title=Sentence("Answer: {0}", Sentence(approval.title)),
        action=address.href(f"{APPROVALS}/{approval.instance_id}", site=approval.site_id, scope=None, period=None),
        fields=(
            Input(name="answer", label="Answer", kind="select", value="approve", options=answers, is_required=True),
            REASON,
        ),
        submit="Send answer", note=Sentence("Asked for the role {0}. No answer counts as a refusal.", approval.roles),
    )  # fmt: skip
    return summary, form


class Task(Model):
    """A work order with what its page says beside it. who: name of the assignee, empty for nobody; at: when the last
    act was, by the site's clock; by: who did it.
    """

    order: WorkOrder
    who: str = ""
    at: str = ""
    by: str = ""


def title_of(finding: OpenFinding, cause: Cause | None = None) -> Sentence:
    """The proposed title of a task."""
    return Sentence(_TITLES[cause or "unknown"], finding.what)


def as_proposed(finding: OpenFinding, title: str) -> str:
    """The proposed title where a form's is that in any language, else what the person wrote."""
    proposed = (title_of(finding, cause) for cause in _TITLES)
    return next((each for each in proposed if title in {in_letters(each, code) for code in languages()}), title)


def in_letters(title: str, locale: str) -> str:
    """A title in words of the locale, as long as one may be."""
    return page_word(title, locale)[:_MOST_LETTERS]


def title_text(order: WorkOrder) -> str:
    """The title of a task for the edge: a sentence of ours, or what a person wrote."""
    return sentence_of(order.title_parts) if order.title_parts else named(order.title)


def tasks_page(
    tasks: Sequence[Task], address: Address, *, people: Mapping[str, str], may_act: bool, is_synthetic: bool,
    approvals: Sequence[WaitingApproval] = (),
) -> Page:  # fmt: skip
    """Open tasks, the most urgent first; ended ones where they are asked for; above them what waits for an approval."""
    is_all, waiting = address.part("all") == "1", [each for each in tasks if each.order.is_open]
    options = (
        Option(text=Sentence("Open ({0})", len(waiting)), href=address.href(all=None), is_chosen=not is_all),
        Option(text=Sentence("all ({0})", len(tasks)), href=address.href(all="1"), is_chosen=is_all),
    )
    shown = tasks if is_all else waiting
    parts = [Part(key="tasks", blocks=(Choice(label="Tasks", options=options), tasks_table(shown, address)))]
    if approvals:
        parts.insert(0, Part(key="approvals", title="Approvals", blocks=approval_blocks(approvals, address)))
    if may_act:
        form = task_form(f"{PATH}?site={address.site}", people=people)
        parts.append(Part(key="acts", title="Acts", blocks=(form,)))
    links = (("Download CSV", address.href(f"{PATH}.csv", scope=None, period=None)),)
    return Page(
        title="Tasks", address=address, parts=tuple(parts), links=links, is_synthetic=is_synthetic,
        chips={"tasks": 0},
    )  # fmt: skip


def task_page(
    task: Task,
    history: Sequence[Task],
    address: Address,
    *,
    seen: str,
    people: Mapping[str, str],
    may_act: bool,
    is_synthetic: bool,
    anomaly: AnomalyDetail | None = None,
    is_undone: bool = False,
) -> Page:
    """One task. anomaly: the event that it was made of, with its picture; seen: stamp of the last act. is_undone:
    whether the person made it a moment ago, and may take it back: it is cancelled then, and stays in the history.
    """
    order = task.order
    parts = [Part(key="task", blocks=(Paragraph(text=_facts(task, address.locale), tone=TONES[order.priority]),))]
    if anomaly is not None:
        parts.append(anomaly_part(anomaly, address.locale))
    parts.append(Part(key="history", blocks=(_history(history),)))
    if may_act and order.is_open:
        forms = tuple(_act(each, order, seen, people, is_undone=is_undone and each == "cancel") for each in ACTS)
        parts.append(Part(key="acts", title="Acts", blocks=forms))
    elif not may_act:
        why = "Analysts, operators and engineers act on tasks."
        parts.append(Part(key="acts", blocks=(Paragraph(text=why, tone="muted"),)))
    links = [("All tasks", address.href(PATH))]
    if order.source_kind == "finding":
        links.insert(0, ("Open finding", address.href(f"/findings/{order.source_id}", site=order.site_id)))
    return Page(
        title=title_text(order), address=address, parts=tuple(parts), links=tuple(links), is_synthetic=is_synthetic
    )


def task_href(order: WorkOrder, address: Address) -> str:
    """Address of the page of one task."""
    return address.href(f"{PATH}/{order.order_id}", site=order.site_id, scope=None, period=None, as_of=None)


def task_form(action: str, *, people: Mapping[str, str], title: str = "", priority: Priority = "P3") -> Form:
    """The form that creates a task. people: names by id, of whom one may do it."""
    fields = (
        Input(name="title", label="Title", value=title, is_required=True),
        Input(
            name="priority", label="Priority", kind="select", value=priority, is_required=True,
            options=tuple(zip(PRIORITIES, SEVERITY_WORDS.values(), strict=True)),
        ),
        _person(people, "", is_required=False),
        Input(name="due", label="Due", kind="date"),
        REASON,
    )  # fmt: skip
    note = "It is listed under Tasks until somebody closes it."
    return Form(key="task", title="Create task", action=action, fields=fields, note=note)


def tasks_table(tasks: Sequence[Task], address: Address) -> Table:
    """Tasks, a row each; the title leads to its page."""
    rows = [
        (
            Cell(text=SEVERITY_WORDS[each.order.severity], tone=TONES[each.order.priority]),
            Cell(text=title_text(each.order), href=task_href(each.order, address)), Sentence(each.order.state),
            named(each.who) if each.who else "–", short_date(each.order.due, address.locale) if each.order.due else "–",
        )
        for each in tasks
    ]  # fmt: skip
    columns = ("Priority", "Task", "State", "Assignee", "Due")
    return table("tasks", "Tasks", columns, rows, note="" if rows else "No task is open.")


def _history(history: Sequence[Task]) -> Table:
    rows = [
        (
            each.at, Sentence(each.order.state), named(each.who) if each.who else "–",
            named(each.by) if each.by else "Workflow", named(each.order.reason),
        )
        for each in history
    ]  # fmt: skip
    return table("history", "History", ("When", "State", "Assignee", "Who", "Reason"), rows)


def _act(act: str, order: WorkOrder, seen: str, people: Mapping[str, str], *, is_undone: bool) -> Form:
    fields = [Input(name="reason", label="Reason", value="undone" if is_undone else "", is_required=True)]
    if act == "assign":
        fields = [_person(people, order.assignee), Input(name="due", label="Due", kind="date"), *fields]
    fields.append(Input(name="seen", kind="hidden", value=seen))
    return Form(
        title=_LABELS[act], action=f"{PATH}/{order.order_id}/{act}?site={order.site_id}", fields=tuple(fields),
        undoes=Sentence("Task created: {0}", title_text(order)) if is_undone else "",
    )  # fmt: skip


def _person(people: Mapping[str, str], value: str, *, is_required: bool = True) -> Input:
    options = (*([] if is_required else [("", "–")]), *people.items())
    return Input(
        name="assignee", label="Assignee", kind="select", value=value, options=options, is_required=is_required
    )


MOST_ROWS = 4


class Tasks(TileInput):
    """open: tasks that wait for somebody, the most urgent first; ended: how many do not; asked: approvals that wait;
    digests: the newest of each site, and where its energy is explained.
    """

    open: tuple[Task, ...] = ()
    ended: int = 0
    asked: tuple[WaitingApproval, ...] = ()
    digests: tuple[tuple[Text, str], ...] = ()


def tasks_tile(given: Tasks) -> Widget:
    """Open tasks; where no task was ever made there is nothing to show."""
    shown = {"key": "tasks", "title": "Tasks", "link": given.link, "is_synthetic": given.is_synthetic}
    digests = [(text, why) for text, why in given.digests if text]
    if not given.open and not given.ended and not given.asked and not digests:
        return Widget(**shown, state="not_set_up", reason="No task was made yet.")
    urgent: tuple[Priority, ...] = ("P1", "P2")
    rest = len(given.open) + len(given.asked) - MOST_ROWS
    items = (*(_waits(each, given) for each in given.asked), *(_item(each, given) for each in given.open))
    note = Sentence("{0} more", rest) if rest > 0 else Sentence("{0} done or cancelled", given.ended)
    return Widget(
        **shown, age=given.age,
        state="finding" if any(each.order.priority in urgent for each in given.open) else "value",
        value=Number(label="Open", text=Sentence("{0} open", len(given.open)), note=note),
        items=(*items[:MOST_ROWS], *(_digest(*each) for each in digests)),
    )  # fmt: skip


def _digest(text: Text, why: str) -> Item:
    return Item(text="Daily digest", detail=text, icon="chart-column", href=why)


def _waits(step: WaitingApproval, given: Tasks) -> Item:
    return Item(
        text=Sentence("Approval: {0}", Sentence(step.title)), detail=Sentence("waits for the role {0}", step.roles),
        tone="caution", icon="pen-line", href=given.address.href(PATH, site=step.site_id, scope=None, period=None),
    )  # fmt: skip


def _facts(task: Task, locale: str) -> Text:
    """Severity, state, assignee and due date of a task."""
    order = task.order
    due = Sentence("due {0}", short_date(order.due, locale)) if order.due else ""
    facts = (Sentence(SEVERITY_WORDS[order.severity]), Sentence(order.state), named(task.who) if task.who else "", due)
    return sentences(facts, " · ")


def _item(task: Task, given: Tasks) -> Item:
    order = task.order
    return Item(
        text=title_text(order), detail=_facts(task, given.locale), tone=TONES[order.priority], icon="pen-line",
        href=task_href(order, given.address),
    )  # fmt: skip
