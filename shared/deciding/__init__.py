"""Decisions: pure functions of facts and `now`, each with its reasons. No Azure, no clock, no store."""
