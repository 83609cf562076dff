"""A package with a provider, a middleware and a plugin."""
