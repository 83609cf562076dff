"""Reads a batch's file: JSONL, a JSON list or CSV, of our own form or another service's, becomes items.

``source`` decodes, ``tables`` and ``objects`` find the rows, ``foreign`` translates the forms of other services, and
``lines`` makes a row an item or gives the reason why it is none.
"""
