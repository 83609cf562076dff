"""Commands of Django for people and their tokens."""
