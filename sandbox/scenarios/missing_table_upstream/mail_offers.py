# Databricks notebook source
# Picks the customers who get today's offer.
dbutils.widgets.text("day", "2026-01-31")
day = dbutils.widgets.get("day")

# COMMAND ----------

eligible = spark.sql(f"""
    SELECT c.customer_id, c.email_hash, c.segment
    FROM main.sales.customers_daily AS c
    WHERE c.day = '{day}' AND c.consent
""")

# COMMAND ----------

eligible.write.mode("overwrite").saveAsTable("main.marketing.offer_recipients")
print(f"{eligible.count()} recipients for {day}")
