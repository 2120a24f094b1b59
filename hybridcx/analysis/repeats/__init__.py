"""Several trainings: seeds, repeated hold-out, folds, ensembles, training sizes."""
