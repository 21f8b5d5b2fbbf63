"""Reads from a Databricks workspace: runs, what their tasks left behind, and a job's past."""

from tools.databricks.connection import Connection
from tools.databricks.soft_failure import soft_failure
from tools.databricks.task_output import RawOutput
from tools.databricks.unity_catalog import UnityCatalog
from tools.databricks.workspace import FoundRun, Workspace

__all__ = ["Connection", "FoundRun", "RawOutput", "UnityCatalog", "Workspace", "soft_failure"]
