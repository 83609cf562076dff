"""What operators do: back up and restore, move, run each process by itself, and rotate keys."""
