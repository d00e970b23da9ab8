"""The collector's commands, one file each; ``collector.cli`` registers them."""
