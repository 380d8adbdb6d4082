"""Mail: one session for many letters, STARTTLS before anything is said."""

import mimetypes
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import format_datetime

from data_quality.contracts.settings import DeliverySettings
from data_quality.contracts.time import Clock
from orchestration.notices.letter import Letter, ReceiverUnreachable, Refused, Send


@contextmanager
def opened(settings: DeliverySettings, clock: Clock) -> Iterator[Send]:
    """A session that is opened with the first letter. Raises OSError and SMTPException."""
    session: list[smtplib.SMTP] = []

    def send(letter: Letter) -> None:
        if not session:
            session.append(_session(settings))
        message = message_of(letter, settings.mail_from, clock)
        try:
            missed = session[0].send_message(message)
        except smtplib.SMTPRecipientsRefused as fault:
            codes = {code for code, _ in fault.recipients.values()}
            # SMTP: 5xx is for good, 4xx is for now (greylisting answers 450 to every first try).
            if all(500 <= code < 600 for code in codes):
                raise Refused(f"the mail server answered {min(codes)} to every recipient") from fault
            raise
        except smtplib.SMTPResponseException as fault:
            if 500 <= fault.smtp_code < 600:
                raise Refused(f"the mail server answered {fault.smtp_code}") from fault
            raise
        except (smtplib.SMTPServerDisconnected, OSError) as fault:
            session.clear()
            raise ReceiverUnreachable(f"{type(fault).__name__}: {fault}") from fault
        if missed:
            # The others have it: another try would send it to them again.
            raise Refused(f"sent, but not to {', '.join(sorted(missed))}")

    try:
        yield send
    finally:
        for server in session:
            with suppress(OSError, smtplib.SMTPException):
                server.quit()


def _session(settings: DeliverySettings) -> smtplib.SMTP:
    try:
        server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=settings.timeout_s)
        if settings.smtp_tls:
            server.starttls(context=ssl.create_default_context())
        if settings.smtp_username:
            server.login(settings.smtp_username, settings.smtp_password)
    except smtplib.SMTPAuthenticationError as fault:
        raise ReceiverUnreachable(
            f"the mail server takes no password of {settings.smtp_username}: {fault.smtp_code}"
        ) from fault
    except (OSError, smtplib.SMTPException) as fault:
        raise ReceiverUnreachable(f"{type(fault).__name__}: {fault}") from fault
    return server


def message_of(letter: Letter, sender: str, clock: Clock) -> EmailMessage:
    """The letter as a mail."""
    message = EmailMessage()
    message["From"], message["To"] = sender, letter.address
    # A line break in a site's name would begin a header of its own.
    message["Subject"] = " ".join(letter.title.split())
    message["Date"] = format_datetime(clock.now_utc())
    # The same at every try, so that a mail system can drop the second copy.
    message["Message-ID"] = f"<{letter.letter_id}@meterloom>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    for path in letter.files:
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        main, _, sub = kind.partition("/")
        message.add_attachment(path.read_bytes(), maintype=main, subtype=sub, filename=path.name)
    return message
