"""Hotlists: read from files, checked, kept by version, and put before the matcher while it runs."""
