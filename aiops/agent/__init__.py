"""The agent: model, tools, middleware and prompt, built for one run from plain values. Imports no Django."""
