# Databricks notebook source
# Price list for the web shop: every article with its price history, as one JSON document.
dbutils.widgets.text("market", "de")
market = dbutils.widgets.get("market")

# COMMAND ----------

prices = spark.table("sales.prices").where(f"market = '{market}'").select("article", "history")
print(f"market {market}: {prices.count()} articles")

# COMMAND ----------

frame = prices.toPandas()
document = frame.to_json(orient="records")

# COMMAND ----------

dbutils.notebook.exit(f'{{"status": "OK", "articles": {len(frame)}}}')
