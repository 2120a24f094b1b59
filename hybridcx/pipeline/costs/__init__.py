"""What a run costs: hours, memory and disk."""
