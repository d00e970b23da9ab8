"""The collector: stores what devices detect, matches it against hotlists and alerts operators."""
