"""The matching engine: which hotlist entries a plate read may be. Pure: no I/O, no clock, no state but its entries."""
