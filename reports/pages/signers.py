"""Senders of forms, and forms that people sign with their key in the browser."""

import shlex

from assets.stores.sign import fingerprint
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.page import Form, PageBlock
from reports.pages.page_states import NO_KEY
from reports.report_content import Paragraph
from reports.texts.locales import named

WITH_REASON = " --reason TEXT"


class Signer(Model):
    """Reader of the page. needs_key: people of this project sign, each with the private half of their public_key."""

    person_id: str
    needs_key: bool = False
    public_key: str = ""


def key_text(signer: Signer) -> Text:
    """The public key that the people file has of the person, as people compare it."""
    if signer.public_key:
        return Sentence("Public key, with which your acts are signed: {0}", named(fingerprint(signer.public_key)))
    return NO_KEY if signer.needs_key else Sentence("Public key: none")


def command_of(words: str, signer: Signer, *, ending: str = WITH_REASON) -> str:
    """Command that a person runs where their key is."""
    return f"meterloom {words} --as {shlex.quote(signer.person_id)}{ending}"


def signed(form: Form, words: str, signer: Signer, *, ending: str = WITH_REASON) -> PageBlock:
    """The form, signed where this project signs; a sentence to who has no key. words, ending: of its command."""
    if not signer.needs_key:
        return form
    if not signer.public_key:
        return Paragraph(text=NO_KEY, tone="caution")
    return form.model_copy(
        update={"public_key": signer.public_key, "command": command_of(words, signer, ending=ending)}
    )
