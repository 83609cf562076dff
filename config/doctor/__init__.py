"""``aiops doctor``: looks at each part from outside, and says what was seen and how to mend it."""
