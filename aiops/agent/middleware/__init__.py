"""The agent's middleware, one behaviour per file; ``agent.chain`` has them in order."""
