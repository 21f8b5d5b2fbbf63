"""Everything that changes a Databricks workspace. Only `nodes.act` (through the Context) and `wiring` use it."""

from tools.actions.databricks import DatabricksActions

__all__ = ["DatabricksActions"]
