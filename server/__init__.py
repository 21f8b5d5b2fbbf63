"""The HTTP service: API, webhooks, console, worker."""
