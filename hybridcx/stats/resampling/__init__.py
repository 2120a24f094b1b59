"""Bootstrap and permutation: draws, replicates, intervals."""
