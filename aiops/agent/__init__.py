"""The agent: model, tools, middleware and prompt, built for one run from plain values. Knows no Django and no table."""
