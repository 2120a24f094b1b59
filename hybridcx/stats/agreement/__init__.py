"""Agreement and reliability of readers: ICC, kappa and its kin, Bland-Altman."""
