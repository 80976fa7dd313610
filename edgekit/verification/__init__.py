"""Proving a device: vectors, comparison, verdict, accuracy."""
