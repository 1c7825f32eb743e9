"""The automations of a team: their models, and how their files are read, checked and frozen."""
