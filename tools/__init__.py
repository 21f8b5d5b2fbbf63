"""What the agent uses: one file for each outside system."""
