"""Workers, servers and supervisors that die, freeze or vanish while people work."""
