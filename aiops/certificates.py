"""What is wrong with the TLS certificate of a server, in words that name the cure, and with SSL_CERT_FILE itself."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from aiops.causes import causes

PAGE = "docs/operations/certificates.md"
NOT_YET, EXPIRED = 9, 10
UNKNOWN = frozenset({2, 18, 19, 20, 21})
OTHER_NAME = frozenset({62, 64})
"""Error codes of OpenSSL's verification (x509_vfy.h, OpenSSL 3)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a certificate is refused, to be read after the name of its server and a colon."""

    what: str
    cure: str

    def __str__(self) -> str:
        return f"{self.what}. {self.cure}."


def problem(error: BaseException) -> Problem | None:
    """Return why a server's certificate was refused; None if the error has another cause."""
    chain = causes(error, contexts=True)
    refused = next((one for one in chain if isinstance(one, ssl.SSLCertVerificationError)), None)
    return None if refused is None else _of(refused.verify_code, str(refused.verify_message).rstrip("."))


def _of(code: int, words: str) -> Problem:
    if code in UNKNOWN:
        return Problem(
            f"its certificate was issued by an authority that is not known here ({words})",
            f"Add that authority to the file that SSL_CERT_FILE names ({PAGE})",
        )
    if code in OTHER_NAME:
        return Problem(
            f"its certificate is for another name ({words})",
            f"Use a name that the certificate has, or issue one with this name ({PAGE})",
        )
    if code in (NOT_YET, EXPIRED):
        when = "is not valid yet" if code == NOT_YET else "has expired"
        return Problem(f"its certificate {when}", "Renew it, or correct the clock of this host")
    return Problem(f"its certificate was refused ({words})", f"See {PAGE}")


def problem_of_file(path: str) -> str:
    """Return why a file of authorities cannot be used, with the cure; empty if it can."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        return "has no certificate that can be read: write certificates in PEM into it"
    except OSError as error:
        return f"cannot be read ({error.strerror}): correct the path or its rights"
    return ""
