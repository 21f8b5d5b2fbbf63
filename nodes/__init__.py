"""The agent's steps: one verb a file, each an async function from state to update."""
