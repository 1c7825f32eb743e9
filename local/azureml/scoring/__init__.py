"""What runs inside deployments, by the Python of their environment: never imported by the emulator."""
