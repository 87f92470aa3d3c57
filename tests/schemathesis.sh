#!/usr/bin/env bash
# Starts an installation in a temporary folder and runs schemathesis against its OpenAPI description: every check, as a signed-in owner
# and with an API key. tests/schemathesis.sh FOOTFALL SCHEMATHESIS
set -euo pipefail
footfall=$1 schemathesis=$2
here=$(cd "$(dirname "$0")" && pwd)
config=$here/schemathesis.toml accounts=$here/schemathesis_accounts.py
folder=$(mktemp -d)
footfall=$(realpath "$footfall") schemathesis=$(realpath -s "$schemathesis")
cd "$folder" # where schemathesis keeps its notes
trap 'kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT
export FOOTFALL_DATA=$folder/data FOOTFALL_PASSWORD='correct horse battery' FOOTFALL_SIGNUP=open FOOTFALL_TOKEN_MINUTES=120
"$footfall" user create --email owner@shop.example >/dev/null
"$footfall" website create shop.example --email owner@shop.example >/dev/null
key=$("$footfall" key create --name Check --email owner@shop.example | grep -o 'zv_[A-Za-z0-9]*' | head -1)
"$footfall" serve --listen 127.0.0.1:0 >"$folder/log" 2>&1 &
server=$!
for _ in $(seq 300); do
  base=$(grep -o 'http://127.0.0.1:[0-9]*' "$folder/log" | head -1) && [ -n "$base" ] && break
  sleep 0.1
done
token=$(curl -sf "$base/api/auth/sign-in" -H 'Content-Type: application/json' \
  -d "{\"email\": \"owner@shop.example\", \"password\": \"$FOOTFALL_PASSWORD\"}" | grep -o '"access_token":"[^"]*' | cut -d'"' -f4)
options=(--phases examples,coverage,fuzzing --max-examples "${EXAMPLES:-50}" --workers 2 --suppress-health-check all)
# What ends the session or the account comes after the rest, with an account for each request.
ends=(userDelete authSignOut authPasswordChange)
"$schemathesis" --config-file "$config" run "$base/openapi.json" -H "Authorization: Bearer $token" "${options[@]}" \
  --include-path-regex '^/api/(users|websites|teams|auth|api-keys|conversations|onboarding)' \
  "${ends[@]/#/--exclude-operation-id=}"
FOOTFALL_BASE=$base SCHEMATHESIS_HOOKS=$accounts "$schemathesis" --config-file "$config" run "$base/openapi.json" "${options[@]}" \
  "${ends[@]/#/--include-operation-id=}"
"$schemathesis" --config-file "$config" run "$base/openapi.json" -H "X-API-Key: $key" "${options[@]}" \
  --include-path-regex '^/(api/external|api/v1|e/|c/|live|widgets|health|.well-known)'
