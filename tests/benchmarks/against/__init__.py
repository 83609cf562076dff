"""Compares this tree with another commit: both are measured in turns, in one sitting."""
