"""Looks up the coordinates of new delivery addresses."""

import argparse
import logging

import requests

log = logging.getLogger("geocode")
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


class RateLimitExceeded(Exception):
    """The geocoding service refuses further requests for now."""


class Geocoder:
    """A client of the geocoding service."""

    def __init__(self, base):
        self.base = base
        self.session = requests.Session()

    def locate(self, addresses):
        """The coordinates of a batch of addresses."""
        answer = self.session.post(f"{self.base}/v1/batch", json={"addresses": addresses}, timeout=20)
        body = answer.json()
        if answer.status_code == 429:
            raise RateLimitExceeded(f"{body['message']}; retry after {body['retry_after_seconds']} s")
        answer.raise_for_status()
        return body["rows"]


def main():
    """Geocode what is new, in batches."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=100)
    size = parser.parse_args().batch
    addresses = [f"Musterweg {n}, 12345 Beispielstadt" for n in range(6 * size)]
    log.info("%d new addresses, batches of %d", len(addresses), size)
    geocoder = Geocoder("https://geo.maps.example.com")
    for start in range(0, len(addresses), size):
        geocoder.locate(addresses[start : start + size])
        log.info("%d of %d done", start + size, len(addresses))


main()
