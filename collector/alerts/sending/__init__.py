"""Notices: who is told of an alert, by which way, and how much of it may travel there."""
