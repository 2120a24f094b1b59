"""A run from cohort to predictions: stages, units, the locked plan, costs, the casebook."""
