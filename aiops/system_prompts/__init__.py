"""System prompts of models: rows with versions, and the fields that they may have."""
