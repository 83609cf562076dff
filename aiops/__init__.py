"""An operations assistant: users ask questions, workers answer them with language models and tools."""

__version__ = "0.1.0"
