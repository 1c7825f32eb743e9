"""Tells people and other systems: channels, messages, an outbox with retries and digests, approval links."""
