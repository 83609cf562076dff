"""Files as other programs write them, through every door."""
