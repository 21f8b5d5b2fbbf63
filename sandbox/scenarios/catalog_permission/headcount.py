# Databricks notebook source
# Headcount by department for the monthly board report.
dbutils.widgets.text("month", "2026-01")
month = dbutils.widgets.get("month")

# COMMAND ----------

salaries = spark.table("main.hr.salaries")
by_department = salaries.where(f"month = '{month}'").groupBy("department").count()

# COMMAND ----------

by_department.write.mode("overwrite").saveAsTable("main.reporting.headcount")
