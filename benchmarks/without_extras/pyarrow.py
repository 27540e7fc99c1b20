"""Stands in for pyarrow: what is measured is without the extra `parquet`, as most have it."""

raise ImportError("measured without the extra parquet")
