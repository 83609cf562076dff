"""People's own credentials for tool servers: stored by their owners, read by the workers that answer them."""
