"""The order in which transactions lock rows, and the function that locks them.

A transaction that locks rows of several tables takes the tables in this order, and several rows of one table by primary
key. It may leave tables out, but never goes back:

    User → Schedule → Batch → Conversation → Run → what belongs to them: Message, Attachment, Item, Firing, Delivery,
         Approval and then its items → the audit log

Transactions that follow this order can wait for each other but never deadlock. Consequences:

- A condition read before taking a lock is checked again under the lock.
- Code that adds to a conversation locks its row first, so the holder of that lock sees all its messages and runs.
- Transactions that only refer to a row (a foreign key) take its weakest lock, at their commit. It conflicts with
  ``FOR UPDATE``, which is for rows that are about to be deleted, but not with ``FOR NO KEY UPDATE``.
- The audit log has one lock for all writers (``aiops.audit.recording``), held until the commit: a transaction takes it
  after every other lock, of any table, and ends soon after.
- A worker's statement on its own run alone (claim, renew, steps) locks that run and nothing else.

SQLite has one writer at a time, which locks the whole database from the beginning of its transaction.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet


def lock(rows: QuerySet[Any], *, to_delete: bool = False) -> list[Any]:
    """Lock these rows in the order of their primary keys and return the keys; must run inside a transaction.

    ``to_delete`` also prevents new references to them until the transaction ends.
    """
    return list(rows.select_for_update(no_key=not to_delete).order_by("pk").values_list("pk", flat=True))
