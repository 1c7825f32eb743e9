"""Triggers only: each reads its trigger, calls one thing in shared, and returns."""
