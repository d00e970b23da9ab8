"""What makes a machine this device: its key, and later its claim and its units."""
