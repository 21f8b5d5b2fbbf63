# Databricks notebook source
# Sends the day's customs declarations and keeps the receipts.
import time

import requests

URL = "https://declare.customs.example.com/api/declarations"

# COMMAND ----------

def submit(batch, tries=3):
    for number in range(1, tries + 1):
        answer = requests.post(URL, json={"declarations": batch}, timeout=30)
        if answer.status_code != 503:
            break
        print(f"try {number} of {tries}: {answer.status_code} {answer.text}")
        time.sleep(1)
    answer.raise_for_status()
    return answer.json()

# COMMAND ----------

receipts = submit([{"shipment": n} for n in range(250)])
