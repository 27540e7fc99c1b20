"""Rows as numbers on disk: datasets, and how they are split."""
