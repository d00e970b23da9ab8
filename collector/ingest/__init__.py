"""Takes what devices send: verification, de-duplication, dead letters, signed acks, presence, pictures."""
