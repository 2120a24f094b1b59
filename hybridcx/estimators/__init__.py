"""Estimators for scikit-learn: fine-tuned networks as a classifier, penultimate features as a transformer."""
