"""How long things are kept: rules by kind, state and age, what they would remove, and its removal in small steps."""
