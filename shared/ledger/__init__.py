"""The durable record of events, decisions, collections and activities, and the store that keeps it."""
