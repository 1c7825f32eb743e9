"""The laptop cloud: Azure Storage, Event Grid, Functions and Azure ML on loopback. Never deployed."""
