"""The commands of ``edge-agent``, one module each; ``cli.py`` registers them."""
