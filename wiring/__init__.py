"""The one place that puts real parts together."""
