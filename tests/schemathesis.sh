#!/usr/bin/env bash
# Starts an installation in a temporary folder and runs schemathesis against its OpenAPI description: every check, as a signed-in owner
# and with an API key. tests/schemathesis.sh FOOTFALL SCHEMATHESIS
set -euo pipefail
footfall=$1 schemathesis=$(realpath -s "$2")
here=$(cd "$(dirname "$0")" && pwd)
config=$here/schemathesis.toml accounts=$here/schemathesis_accounts.py
export FOOTFALL_TRUSTED_PROXIES=127.0.0.1/32 # so that tests/schemathesis_accounts.py can come from many addresses
# Its folder is where schemathesis keeps its notes.
. "$here/installation.sh"
options=(--phases examples,coverage,fuzzing --max-examples "${EXAMPLES:-50}" --workers 1 --suppress-health-check all)
dashboard='^/api/(users|websites|teams|auth|api-keys|conversations|onboarding)'
public='^/(api/external|api/v1|e/|c/|live|widgets|health|.well-known)'
check() {
  "$schemathesis" --config-file "$1" run "$base/openapi.json" "${options[@]}" "${@:2}"
}
# With ids that there are, so that what lies behind them is reached.
query="{\"query\": \"{ website(id: \\\"$site\\\") { trackingCode team { databaseId } } }\"}"
known=$(curl -sf "$base/graphql" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d "$query")
code=$(grep -o 'ZV_[A-Za-z0-9]*' <<<"$known") team=$(grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' <<<"$known" | head -1)
{
  printf '[parameters]\nwebsiteId = "%s"\ntrackingCode = "%s"\n' "$site" "$code"
  printf '[[operations]]\ninclude-operation-id = "website"\nparameters = { id = "%s" }\n' "$site"
  printf '[[operations]]\ninclude-path-regex = "^/api/teams/"\nparameters = { id = "%s" }\n' "$team"
  cat "$config"
} >"$folder/known.toml"
check "$folder/known.toml" -H "X-API-Key: $key" -H "Origin: https://shop.example" --include-path-regex "$public"
check "$folder/known.toml" -H "Authorization: Bearer $token" --include-path-regex '^/api/(websites|teams)/[{]' --exclude-operation-id=websiteDelete
# With any ids. What ends the session or the account comes last, with an account for each request.
ends=(userDelete authSignOut authPasswordChange)
check "$config" -H "X-API-Key: $key" --include-path-regex "$public"
check "$config" -H "Authorization: Bearer $token" --include-path-regex "$dashboard" "${ends[@]/#/--exclude-operation-id=}"
FOOTFALL_BASE=$base SCHEMATHESIS_HOOKS=$accounts check "$config" "${ends[@]/#/--include-operation-id=}"
