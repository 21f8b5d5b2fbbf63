"""Rows: incidents, events, approvals, claims, artifacts, the outbox; and the PostgreSQL they live in."""
