"""Where frames and sound come from, each with its capture time: cameras, microphones, files."""
