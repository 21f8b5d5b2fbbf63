# Databricks notebook source
# Posts the night's entries to the ledger. Not idempotent: each run books again.
import psycopg

host, port = dbutils.secrets.get("dwh", "host"), dbutils.secrets.get("dwh", "port")

# COMMAND ----------

entries = [(n, "2026-01-31", 100 + n) for n in range(1, 501)]
with psycopg.connect(host=host, port=port, user="etl", dbname="postgres") as ledger:
    ledger.execute("SET lock_timeout = '3s'")
    ledger.cursor().executemany("INSERT INTO ledger (entry, booked, amount) VALUES (%s, %s, %s)", entries)
    ledger.commit()

# COMMAND ----------

print(f"{len(entries)} entries posted")
