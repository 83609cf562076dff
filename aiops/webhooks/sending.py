"""Makes one attempt at one delivery: resolves and pins its address, signs it and posts it within one time limit."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from dataclasses import dataclass

import httpx

from aiops import certificates, database, net, untrusted
from aiops.net import BadAddress, Target
from aiops.settings import Settings
from aiops.webhooks import forms, mailing, signing
from aiops.webhooks.claims import Outcome
from aiops.webhooks.models import Delivery

TOTAL_S = 15.0
"""Limit of a whole attempt: DNS, connecting, TLS, sending, and the response's headers."""
IDLE_S = 10.0
"""Limit of silence from the receiver."""
GONE = 410
AGENT = "aiops-webhooks"
POSTED = {Delivery.Form.SLACK.value: forms.slack, Delivery.Form.NTFY.value: forms.ntfy}
ALLOWED = "AIOPS_WEBHOOK_NETWORKS allows more"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A delivery as it is posted."""

    url: str
    body: bytes
    headers: dict[str, str]


def signed_request(delivery: Delivery, settings: Settings) -> SignedRequest:
    """Return a delivery signed with the current time, or a notice as its receiver takes it.

    Raises Conflict when AIOPS_SECRET_KEY is not set.
    """
    if make := POSTED.get(delivery.form):
        body, headers = make(delivery.payload)
        return SignedRequest(delivery.url, body, {**headers, "User-Agent": AGENT})
    body = json.dumps(delivery.payload, ensure_ascii=False, separators=(",", ":")).encode()
    keys = signing.keys_of(delivery.user_id, settings)
    now = int(database.now_s())
    headers = signing.headers(keys, id_=str(delivery.pk), timestamp=now, body=body)
    fixed = {"Content-Type": "application/json", "User-Agent": AGENT}
    return SignedRequest(delivery.url, body, {**headers, **fixed})


class Sender:
    """Sends deliveries on the running loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._networks = settings.networks_of_webhooks()
        self._verify: ssl.SSLContext = httpx.create_ssl_context()  # honours SSL_CERT_FILE, for private authorities

    async def mail(self, delivery: Delivery) -> Outcome:
        """Send a notice as a mail and return the outcome."""
        try:
            async with asyncio.timeout(TOTAL_S):
                return await mailing.send(delivery.url.removeprefix("mailto:"), delivery.payload, self._settings)
        except TimeoutError:
            return Outcome(error=f"The mail server did not take it within {TOTAL_S:g} s.")

    async def send(self, signed: SignedRequest) -> Outcome:
        """Post it without following redirects and return the outcome; a receiver cannot make it raise."""
        try:
            async with asyncio.timeout(TOTAL_S):
                target = await net.resolve(signed.url, allowed=self._networks, cure=ALLOWED)
                status = await self._post(signed, target)
        except TimeoutError as error:  # of the attempt, or of DNS, whose error has a text
            return Outcome(error=f"{str(error) or f'The receiver did not answer within {TOTAL_S:g} s'}.")
        except BadAddress as error:
            return Outcome(error=str(error), final=True)
        except socket.gaierror as error:
            return Outcome(error=f"Its host name cannot be resolved: {error.strerror}.")
        except httpx.InvalidURL as error:
            return Outcome(error=f"It is not a URL: {error}.", final=True)
        except (OSError, httpx.HTTPError) as error:
            if refused := certificates.problem(error):
                return Outcome(error=f"No secure connection: {refused}")
            return Outcome(error=untrusted.clean(f"{type(error).__name__}: {error}"))
        if httpx.codes.is_success(status):
            return Outcome(status)
        return Outcome(status, f"The receiver answered {status}.", final=status == GONE)

    async def _post(self, signed: SignedRequest, target: Target) -> int:
        async with httpx.AsyncClient(timeout=IDLE_S, trust_env=False, verify=self._verify) as client:
            request = client.build_request(
                "POST",
                target.pinned_url,
                content=signed.body,
                # the URL has the checked address, so DNS cannot change it before the connection is made
                headers={**signed.headers, "Host": target.host_header},
                extensions={"sni_hostname": target.host},
            )
            response = await client.send(request, stream=True, follow_redirects=False)
            await response.aclose()  # the body is not read: it could be endless
        return response.status_code
