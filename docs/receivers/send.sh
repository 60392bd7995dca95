#!/bin/sh
# Sends a signed webhook to a receiver under test: VIDHOOK_SECRET=whsec_... sh send.sh URL BODY
# The key is visible to `ps` while openssl runs: use a secret for trying, on a machine of your own.
set -eu
url=$1 body=$2

id=$(sed -n 's/.*"id": *"\(evt_[a-z0-9]*\)".*/\1/p' "$body") timestamp=$(date +%s)
key=$(printf %s "${VIDHOOK_SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
mac=$({ printf %s.%s. "$id" "$timestamp"; cat "$body"; } | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)
curl --fail --silent --show-error --max-time 15 --data-binary "@$body" --header "content-type: application/json" \
  --header "webhook-id: $id" --header "webhook-timestamp: $timestamp" --header "webhook-signature: v1,$mac" "$url"
