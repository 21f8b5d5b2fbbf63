"""From a diagnosis to one proposal (`propose`), and what a reviewer may edit in it (`check_edit`)."""

from tools.proposals.edits import check_edit
from tools.proposals.propose import propose

__all__ = ["check_edit", "propose"]
