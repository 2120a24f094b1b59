"""Verification: a finished report recomputed from its predictions, and its files checked."""
