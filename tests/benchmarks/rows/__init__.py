"""One file for every row of the table: its letter, its title, and ``measure``, which returns its checks."""
