"""The engine: looks at a collection or an activity, does one short step, saves, and says when to look again."""
