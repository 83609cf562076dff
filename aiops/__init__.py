"""An operations assistant: questions are rows, answers are made by workers and shown live."""

__version__ = "0.1.0"
