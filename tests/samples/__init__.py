"""Files as other programs write them, each with what it becomes here."""
