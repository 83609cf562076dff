"""Webhooks: reports the end of a run or a batch to an address that its owner chose, signed and retried for a day."""
