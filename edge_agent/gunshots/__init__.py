"""Hearing gunshots: onset picking, features, classifier; one ``HeardShot`` per shot."""
