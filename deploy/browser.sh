#!/usr/bin/env bash
# Sees to it that a Chromium is there for the browser tests: the one installed, else Debian's, else Playwright's.
# usage: deploy/browser.sh BIN
set -euo pipefail
bin=$1
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
ls "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}"/chromium-*/chrome-linux*/chrome >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing Chromium for the browser tests ..." >&2
  apt-get update -qq && apt-get install -y -qq chromium >/dev/null && exit 0
fi
"$bin/playwright" install chromium >/dev/null 2>&1 && exit 0
echo "The browser tests need a Chromium, and none could be installed. Run: sudo apt-get install chromium" >&2
exit 1
