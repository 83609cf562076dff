"""Sends a notice as a mail to the server of AIOPS_MAIL_URL."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib

from aiops import certificates, untrusted
from aiops.settings import Settings
from aiops.webhooks.claims import Outcome

IDLE_S = 10.0
"""Limit of each step; the whole attempt has its own."""
PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
REFUSED_FOR_GOOD = 500
"""Codes from here on are permanent (RFC 5321, 4.2.1)."""
NOT_CONFIGURED = "No mail server is configured: set AIOPS_MAIL_URL and AIOPS_MAIL_FROM."


def is_configured(settings: Settings) -> bool:
    """Return whether mails can be sent."""
    return bool(settings.mail_url.get_secret_value() and settings.mail_from)


async def send(to: str, said: Mapping[str, Any], settings: Settings) -> Outcome:
    """Send one mail and return the outcome; raises only TimeoutError, when it is cancelled by a total limit."""
    if not is_configured(settings):
        return Outcome(error=NOT_CONFIGURED)
    try:
        await _send(_written(to, said, settings), settings)
    except aiosmtplib.SMTPRecipientsRefused as error:
        refused = error.recipients[0]
        text = f"The mail server refuses {to}: {refused.code} {refused.message}"
        return Outcome(error=untrusted.clean(text), final=refused.code >= REFUSED_FOR_GOOD)
    except aiosmtplib.SMTPResponseException as error:
        return Outcome(error=untrusted.clean(f"The mail server answered {error.code} {error.message}"))
    except (OSError, aiosmtplib.SMTPException) as error:
        if problem := certificates.problem(error):
            return Outcome(error=f"No secure connection to the mail server: {problem}")
        return Outcome(error=untrusted.clean(f"The mail server failed: {type(error).__name__}: {error}"))
    return Outcome()


def _written(to: str, said: Mapping[str, Any], settings: Settings) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = settings.mail_from, to
    message["Subject"] = " ".join(said["title"].split())  # a line break would begin another header
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message.set_content("\n\n".join(part for part in (said["text"], said["link"]) if part))
    return message


async def _send(message: EmailMessage, settings: Settings) -> None:
    url = urlsplit(settings.mail_url.get_secret_value())
    await aiosmtplib.send(
        message,
        hostname=url.hostname,
        port=url.port or PORTS[url.scheme],
        username=unquote(url.username) if url.username else None,
        password=unquote(url.password) if url.password else None,
        use_tls=url.scheme == "smtps",
        start_tls=url.scheme == "smtp+starttls",
        tls_context=ssl.create_default_context(),  # honours SSL_CERT_FILE
        timeout=IDLE_S,
    )
