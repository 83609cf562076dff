"""Memory: where the agent's checkpoints are stored."""
