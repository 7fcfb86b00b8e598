"""Scikit-learn estimators, and how they are saved."""
