"""Approvals that workflows wait for, each with the form of the answer, for whoever has the role that is asked."""

from collections.abc import Sequence

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.address import Address
from reports.pages.page import Form, Input, PageBlock
from reports.report_content import Paragraph

PATH = "/tasks/approvals"


class Asked(Model):
    """An instance of a workflow that waits. title: of its workflow; told: what set it off and what came of its steps;
    roles: who is asked; refusal: why it is not for who looks, empty where it is.
    """

    instance_id: str
    site_id: str
    title: str
    told: Text
    roles: Text
    refusal: Text = ""


def approval_blocks(asked: Sequence[Asked], address: Address) -> tuple[PageBlock, ...]:
    """A form each; to whom it is not for, a sentence."""
    return tuple(block for each in asked for block in _blocks(each, address))


def _blocks(asked: Asked, address: Address) -> tuple[PageBlock, ...]:
    told = Paragraph(text=Sentence("{0}: {1}", Sentence(asked.title), asked.told))
    if asked.refusal:
        return told, Paragraph(text=asked.refusal, tone="muted")
    answers = (("approve", "Approve"), ("refuse", "Refuse"))
    form = Form(
        key=f"approve-{asked.instance_id}", title=Sentence("Answer: {0}", Sentence(asked.title)), method="post",
        action=address.href(f"{PATH}/{asked.instance_id}", site=asked.site_id, scope=None, period=None),
        fields=(
            Input(name="answer", label="Answer", kind="select", value="approve", options=answers, is_required=True),
            Input(name="reason", label="Reason", is_required=True),
        ),
        submit="Send answer", note=Sentence("Asked for the role {0}. Silence is a no.", asked.roles),
    )  # fmt: skip
    return told, form
