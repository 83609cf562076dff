"""The frame of the web process: pages, REST API, and streams. Never loads the agent stack."""
