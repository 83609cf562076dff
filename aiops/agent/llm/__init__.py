"""Language models: one handler for each provider, found by its name."""
