"""The work on one claimed run, from its claim to its last event; loads the agent stack."""
