"""Decides without acting: the shipped hub on a store in memory, with a clock that is set by hand."""
