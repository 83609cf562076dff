"""Commands of Django for the audit log."""
