"""The operators' page: what needs somebody, what runs, what came of it, and the acts that they may do."""
