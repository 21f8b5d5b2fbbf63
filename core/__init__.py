"""The words every other package uses: domain types, settings, errors, policy. Imports nothing of ours."""
