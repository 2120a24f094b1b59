"""Reporting guidelines, and what a report has for their items."""
