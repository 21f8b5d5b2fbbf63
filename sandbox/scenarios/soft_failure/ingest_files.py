# Databricks notebook source
# Ingests the files of all 25 branches. One bad branch must not stop the others, so failures are only counted.
import json

dbutils.widgets.text("day", "2026-01-31")
day = dbutils.widgets.get("day")
branches = [f"branch_{n:02}" for n in range(1, 26)]

# COMMAND ----------

errors = []
for branch in branches:
    try:
        spark.read.json(f"/Volumes/main/landing/{branch}/{day}").write.mode("append").format("noop").save()
    except Exception as error:
        errors.append({"branch": branch, "error": f"{type(error).__name__}: {str(error).splitlines()[0]}"})
        print(f"{branch} failed: {errors[-1]['error']}")

# COMMAND ----------

status = "SUCCESS" if not errors else "PARTIAL_FAILURE"
dbutils.notebook.exit(json.dumps({"status": status, "total": len(branches), "failed": len(errors), "errors": errors}))
