"""Commands for installations of several processes and hosts."""
