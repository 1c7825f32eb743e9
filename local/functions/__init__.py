"""The embedded Functions host: runs a function_app.py unchanged where the core tools are not installed."""
