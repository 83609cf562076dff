"""The built-in model for when no other is configured: it matches words to tools by rules."""
