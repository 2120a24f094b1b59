"""Classifiers on penultimate features: scikit-learn and XGBoost, fitted, kept and read."""
