"""The language that devices and the collector speak. Imports neither side."""
