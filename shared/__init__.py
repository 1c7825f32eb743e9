"""The hub: what decides and acts on events."""
