"""REST views: send a message; list, show, follow, cancel and rate runs; edit messages and ask again."""
