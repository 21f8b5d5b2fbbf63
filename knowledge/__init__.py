"""What the agent knows: failure classes, runbooks, past incidents."""
