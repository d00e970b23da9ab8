"""Alerts: from the matcher's hits to what people see, and what they did with it."""
