"""Many prompts as one object: read, validated, answered a few at a time, and collected."""
