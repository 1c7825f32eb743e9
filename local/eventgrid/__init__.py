"""Event Grid of the laptop cloud, and the blob endpoint whose writes raise events."""
