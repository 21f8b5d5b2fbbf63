# Databricks notebook source
# Demand for the next 28 days by shop, holidays taken into account.
from datetime import date, timedelta

import numpy as np
import pandas as pd

# COMMAND ----------

import holidays_eu

calendar = holidays_eu.for_countries(["DE", "FR", "PL"])

# COMMAND ----------

history = spark.table("main.sales.daily_demand").toPandas()
days = [date.today() + timedelta(days=n) for n in range(28)]
