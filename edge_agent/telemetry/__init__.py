"""How the device itself is: power, temperature, what its networks cost, and which of all that has changed.

Knows neither outbox nor uplink: it measures, and hands values to ``app.py``. Nothing is imported here: settings need
the form of a UPS's address, and not OpenCV.
"""
