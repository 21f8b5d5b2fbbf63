"""Datasets, evaluators and experiments."""
