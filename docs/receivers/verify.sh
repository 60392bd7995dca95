#!/bin/sh
# Verifies a webhook that was written down: VIDHOOK_SECRET=whsec_... sh verify.sh HEADERS BODY [UNIX_SECONDS]
# HEADERS holds one "name: value" a line, BODY the bytes as they came; UNIX_SECONDS stands for now.
set -eu
headers=$1 body=$2 now=${3:-$(date +%s)}

header() { tr -d '\r' <"$headers" | awk -F ': *' -v name="$1" 'tolower($1) == name { print $2 }'; }

id=$(header webhook-id) timestamp=$(header webhook-timestamp)
age=$((now - ${timestamp:-0}))
if [ "$age" -gt 300 ] || [ "$age" -lt -300 ]; then
  echo "signed too long ago, or in the future" >&2
  exit 1
fi
key=$(printf %s "${VIDHOOK_SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
mac=$({ printf %s.%s. "$id" "$timestamp"; cat "$body"; } | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)
for signature in $(header webhook-signature); do
  if [ "$signature" = "v1,$mac" ]; then
    echo "verified"
    exit 0
  fi
done
echo "no signature fits" >&2
exit 1
