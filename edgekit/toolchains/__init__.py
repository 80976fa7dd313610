"""Compilers: finding them, running them, reading what they made."""
