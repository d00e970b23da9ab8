"""Shot incidents: from arrivals in the store to places, alerts and verdicts. ``following`` alone runs by itself."""
