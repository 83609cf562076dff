"""The web entrance: pages, REST, and the doors for streams. Never loads the agent stack."""
