"""Rendered passes: short sequences made of real photographs and plates, with truth, and their scoring."""
