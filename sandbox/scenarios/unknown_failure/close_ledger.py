# Databricks notebook source
# Asks the ledger's gate for the posting window and closes the day.
import json

class LedgerGateError(Exception):
    """What the gate says when it does not open."""

# COMMAND ----------

def open_window(day, answer):
    state = json.loads(answer)
    if state["window"] != "ALPHA":
        raise LedgerGateError(f"E-7741 posting window {state['number']} in state {state['window']} (kolibri 0x1f)")

# COMMAND ----------

open_window("2026-01-31", '{"number": 3, "window": "ZETA"}')
