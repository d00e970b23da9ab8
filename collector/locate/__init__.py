"""Pinpointing: arrivals of many sensors into shot incidents, where each was fired, and how sure that is.

Pure: no I/O, no clock, no state. ``locating.locate`` joins the rest; docs/locating.md tells the method and its figures.
"""
