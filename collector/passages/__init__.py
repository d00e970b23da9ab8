"""Passages: which reads of a site show one vehicle. What decides is pure; ``following`` alone knows the store."""
