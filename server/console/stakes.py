"""What a proposal costs, as the console's pages ask for it."""

from core.stakes import stakes

__all__ = ["stakes"]
