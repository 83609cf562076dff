"""``aiops doctor``: checks each part from outside, and names the cure of each problem."""
