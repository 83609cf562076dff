"""The agent's middleware, one behaviour per file; ``priority`` 1 is outermost, 100 innermost."""
