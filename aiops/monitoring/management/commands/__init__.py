"""The command of Django that prints the alert rules."""
