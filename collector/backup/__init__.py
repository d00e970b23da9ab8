"""Backups: a collector's store, pictures, clips and keys in one file, made while it serves, and brought back."""
