"""Compares rules over a span of history: what would have begun, been held, merged or not begun."""
