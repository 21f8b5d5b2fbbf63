"""A Databricks workspace in a box: an HTTP server that speaks the Jobs API, with scripted failures."""
