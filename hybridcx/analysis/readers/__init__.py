"""Readers: their agreement, and models compared with readers."""
