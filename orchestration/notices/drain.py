"""Drains the outbox: what is due becomes letters, which are named before they leave and recorded when taken."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from assets.stores.ledgers.notices import Outbox
from assets.stores.ledgers.work_orders import WorkflowInstances, WorkOrders
from assets.stores.published.event_figures import figures_quoting
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.notice import CHANNELS, Channel, Notice
from data_quality.contracts.reporting.open_finding import SEVERITY_WORDS
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import Clock
from orchestration.notices.decide import after_fault, after_sent, letters_of
from orchestration.notices.letter import FAULTS, Letter, ReceiverUnreachable, Refused, Send
from reports.texts.locales import page_word

# As many are sent between two rows of the store: what a kill between them sends again, under the same name.
_BETWEEN_ROWS = 50
logger = logging.getLogger("meterloom.notices")
Opened = Callable[[], AbstractContextManager[Send]]


@dataclass(frozen=True)
class Drain:
    """Sends what is due. ways: how a line of each channel that is set is opened; locale_of: a person's language;
    masked: a reason without secrets.
    """

    outbox: Outbox
    ways: Mapping[Channel, Opened]
    clock: Clock
    locale_of: Callable[[str], str] = lambda _: "en"
    masked: Callable[[str], str] = field(default=lambda text: text[:500])

    def run(self) -> int:
        """Send everything that is due now. Returns how many notices were sent.

        A channel that falls silent ends alone, of webhooks a host: what it leaves is due at the next look.
        """
        return sum(self._drained(channel) for channel in CHANNELS)

    def _drained(self, channel: Channel) -> int:
        sent, silent = 0, set[str]()
        # Addresses behind a silent line are left where they are: a row each at each look would be a night of rows.
        left: set[str] = set()
        while "" not in silent and (due := self.outbox.due(channel, self.clock.now_utc(), but=left)):
            letters = [each for each in self._letters(due) if _line(each) not in silent]
            sent += self._tried(channel, letters, silent)
            left |= {each.address for each in due if _line([each]) in silent}
        return sent

    def _letters(self, due: Sequence[Notice]) -> list[list[Notice]]:
        now_utc, untried = self.clock.now_utc(), {each.notice_id for each in due if not each.letter_id}
        letters = letters_of(due, self.outbox.letters_since(now_utc - timedelta(hours=1)), now_utc)
        # Named before it leaves: after a crash the same letter goes once more, and nothing else joins it.
        named = [each for letter in letters for each in letter if each.notice_id in untried]
        self.outbox.record(named, self.clock)
        return [each for each in letters if each[0].next_utc is None or each[0].next_utc <= now_utc]

    def _tried(self, channel: Channel, letters: Sequence[list[Notice]], silent: set[str]) -> int:
        """Number of notices that were sent. silent: lines that fell silent, to which those of now are added."""
        if channel not in self.ways:
            self._fail(letters, f"no channel {channel!r} is set in meterloom.yaml", is_final=True)
            return 0
        done: list[Notice] = []
        sent = 0
        try:
            with self.ways[channel]() as send:
                for letter in letters:
                    if _line(letter) in silent:
                        continue
                    try:
                        outcome = self._outcome(send, letter)
                    except ReceiverUnreachable as fault:
                        logger.warning("%s: %s", channel, self.masked(str(fault)))
                        silent.add(_line(letter))
                        continue
                    done += outcome
                    sent += sum(each.state == "sent" for each in outcome)
                    if len(done) >= _BETWEEN_ROWS:
                        self.outbox.record(done, self.clock)
                        done = []
        except BadInput as fault:
            self._fail(letters, str(fault), is_final=True)
        finally:
            self.outbox.record(done, self.clock)
        return sent

    def _outcome(self, send: Send, letter: list[Notice]) -> list[Notice]:
        """The notices of a letter after a try. Raises ReceiverUnreachable, having recorded it."""
        try:
            send(self.letter(letter))
        except ReceiverUnreachable as fault:
            self._fail([letter], str(fault), is_final=False)
            raise
        except (*FAULTS, Refused, BadInput) as fault:
            is_final, now_utc = isinstance(fault, Refused | BadInput), self.clock.now_utc()
            reason = self.masked(str(fault) or type(fault).__name__)
            return [after_fault(each, reason, now_utc, is_final=is_final) for each in letter]
        return [after_sent(each) for each in letter]

    def _fail(self, letters: Sequence[list[Notice]], reason: str, *, is_final: bool) -> None:
        now_utc, message = self.clock.now_utc(), self.masked(reason)
        failed = [after_fault(each, message, now_utc, is_final=is_final) for letter in letters for each in letter]
        self.outbox.record(failed, self.clock)

    def letter(self, notices: Sequence[Notice]) -> Letter:
        """Notices as one message in the person's language."""
        first, locale = min(notices, key=lambda each: each.severity), self.locale_of(notices[0].person_id)
        word = page_word(SEVERITY_WORDS[first.severity], locale)
        count = len(notices)
        title = first.text if count == 1 else page_word(Sentence("{0} and {1} more", first.text, count - 1), locale)
        lines = [f"{page_word(SEVERITY_WORDS[each.severity], locale)}: {each.text}" for each in notices]
        links = dict.fromkeys(each.link for each in notices if each.link)
        return Letter(
            letter_id=first.letter_id,
            address=first.address,
            title=f"{word}: {title}",
            text="\n".join([*lines, "", *links]).rstrip() + "\n",
            severity=first.severity,
            document={
                "letter_id": first.letter_id,
                "link": first.link,
                "notices": [
                    {"id": each.notice_id, "site": each.site_id, "kind": each.kind, each.kind: each.finding_id,
                     "severity": each.severity, "text": each.text,
                     "figures": figures_of_notice(self.outbox.store, each)}
                    for each in notices
                ],
            },
        )  # fmt: skip


def _line(letter: Sequence[Notice]) -> str:
    """The host of a webhook with its port; empty for a channel that has one line for all."""
    return urlsplit(letter[0].address).netloc


def figures_of_notice(store: Store, notice: Notice) -> list[str]:
    """Figures of stored reports that quote its anomaly or that its task names, by the id that `trace` opens; of a
    workflow, as a digest's, by the question that `/why` answers.
    """
    # A figure that is not found keeps no notice from being sent.
    with suppress(BadInput):
        if notice.kind == "finding":
            return figures_quoting(store, notice.site_id).get(notice.finding_id, [])
        if notice.kind == "order":
            return list(WorkOrders(store).named(notice.finding_id).figure_ids)
        instance = WorkflowInstances(store).named(notice.finding_id)
        named = WorkOrders(store).named(instance.order_id).figure_ids if instance.order_id else ()
        return [*(figure for step in instance.steps for figure in step.figures), *named]
    return []
