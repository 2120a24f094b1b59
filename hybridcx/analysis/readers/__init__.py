"""Readers: their agreement, and models beside them."""
