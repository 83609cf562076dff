"""Workers, servers and supervisors that die, freeze or vanish while people work.

The files run in the order of their names: what makes a provider refuse calls comes last, for all processes slow down
after that.
"""
