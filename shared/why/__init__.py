"""Why something happened, or did not: the conditions with the values that they saw."""
