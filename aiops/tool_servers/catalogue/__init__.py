"""What tool servers offer, and what may be done with it."""
