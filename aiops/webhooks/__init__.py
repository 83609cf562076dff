"""Tells programs of others that a run or a batch has ended: signed, tried again for a day, and only where it may go."""
