"""The only place that knows azure-ai-ml; imported by the worker, never by intake."""
