"""Ctrl-C for what the tests start, also when a script started the tests in the background."""

from __future__ import annotations

import signal


def let_children_be_interrupted() -> None:
    """Give children the default action of SIGINT where it is ignored here, as it is in a script's ``make test &``.

    A child inherits an ignored signal and gets the default of one that has a handler. This process goes on ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)
