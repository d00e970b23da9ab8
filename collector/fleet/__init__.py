"""The fleet: which devices there are, what they may do, and the certificates that say who they are."""
