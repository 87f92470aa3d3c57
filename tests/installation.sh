# Sourced by scripts that run tools of others: starts an installation in a temporary folder, which is then the working directory, and
# sets base, token, site and key. footfall: the binary. It ends with the script.
folder=$(mktemp -d)
footfall=$(realpath "$footfall")
cd "$folder"
trap 'kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT
export FOOTFALL_DATA=$folder/data FOOTFALL_PASSWORD='correct horse battery' FOOTFALL_SIGNUP=open FOOTFALL_TOKEN_MINUTES=120
"$footfall" user create --email owner@shop.example >/dev/null
site=$("$footfall" website create shop.example --email owner@shop.example --json | grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' | head -1)
key=$("$footfall" key create --name Check --email owner@shop.example | grep -o 'zv_[A-Za-z0-9]*' | head -1)
"$footfall" serve --listen 127.0.0.1:0 >"$folder/log" 2>&1 &
server=$!
for _ in $(seq 300); do
  base=$(grep -o 'http://127.0.0.1:[0-9]*' "$folder/log" | head -1) && [ -n "$base" ] && break
  sleep 0.1
done
token=$(curl -sf "$base/api/auth/sign-in" -H 'Content-Type: application/json' \
  -d "{\"email\": \"owner@shop.example\", \"password\": \"$FOOTFALL_PASSWORD\"}" | grep -o '"access_token":"[^"]*' | cut -d'"' -f4)
