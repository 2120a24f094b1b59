"""Files on disk: cached artefacts, the folder of a report, provenance, and what the machine has."""
