"""Widget of the tasks: the most urgent open work orders of a site, with who has them and until when."""

from data_quality.contracts.reporting.work_order import Priority
from data_quality.contracts.sentence import Sentence, Text, sentences
from reports.pages.approvals import Asked
from reports.pages.page import Item, Number, Widget
from reports.pages.tasks import PATH, TONES, Task, task_href
from reports.pages.widgets.tile import Given
from reports.texts.locales import named

MOST_ROWS = 4


class Tasks(Given):
    """open: tasks that wait for somebody, the most urgent first; ended: how many do not; asked: approvals that wait;
    digests: the newest of each site, and where its energy is explained.
    """

    open: tuple[Task, ...] = ()
    ended: int = 0
    asked: tuple[Asked, ...] = ()
    digests: tuple[tuple[Text, str], ...] = ()


def view(given: Tasks) -> Widget:
    """Open tasks; where no task was ever made there is nothing to show."""
    shown = {"key": "tasks", "title": "Tasks", "link": given.link, "is_synthetic": given.is_synthetic}
    told = [(text, why) for text, why in given.digests if text]
    if not given.open and not given.ended and not given.asked and not told:
        return Widget(**shown, state="not_set_up", reason="No task was made yet.")
    urgent: tuple[Priority, ...] = ("P1", "P2")
    rest = len(given.open) + len(given.asked) - MOST_ROWS
    items = (*(_waits(each, given) for each in given.asked), *(_item(each, given) for each in given.open))
    note = Sentence("{0} more", rest) if rest > 0 else Sentence("{0} done or cancelled", given.ended)
    return Widget(
        **shown, age=given.age,
        state="finding" if any(each.order.priority in urgent for each in given.open) else "value",
        value=Number(label="Open", text=Sentence("{0} open", len(given.open)), note=note),
        items=(*items[:MOST_ROWS], *(_digest(*each) for each in told)),
    )  # fmt: skip


def _digest(text: Text, why: str) -> Item:
    return Item(text="Daily digest", detail=text, icon="chart-column", href=why)


def _waits(asked: Asked, given: Tasks) -> Item:
    return Item(
        text=Sentence("Approval: {0}", Sentence(asked.title)), detail=Sentence("waits for the role {0}", asked.roles),
        tone="caution", icon="pen-line", href=given.address.href(PATH, site=asked.site_id, scope=None, period=None),
    )  # fmt: skip


def _item(task: Task, given: Tasks) -> Item:
    order = task.order
    due = Sentence("due {0}", f"{order.due}") if order.due else ""
    detail = sentences(
        (Sentence(order.priority), Sentence(order.state), named(task.who) if task.who else "", due), " · "
    )
    return Item(
        text=named(order.title), detail=detail, tone=TONES[order.priority], icon="pen-line",
        href=task_href(order, given.address),
    )  # fmt: skip
