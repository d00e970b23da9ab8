"""The loss ledger: from what is here, and what devices have said, to what may be claimed of each stream. Pure."""
