"""The topology: which node follows which, and where the state is kept."""
