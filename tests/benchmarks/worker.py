"""A worker process like any other, in which the offline provider's model is the echo."""

from __future__ import annotations

import sys

from celery.__main__ import main

from tests.benchmarks import echo

if __name__ == "__main__":
    sys.modules["aiops.llm.offline.model"] = echo
    main()
