"""Plates: a detector and an OCR behind one port, tracking, and the vote that makes one read of one vehicle's pass."""
