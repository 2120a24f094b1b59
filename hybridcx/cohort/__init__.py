"""The cases of a run: manifest, labels, consensus, exclusions, splits."""
