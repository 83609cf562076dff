"""Memory: where the agent's checkpoints live."""
