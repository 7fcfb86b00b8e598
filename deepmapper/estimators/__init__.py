"""Scikit-learn estimators and their saved form."""
