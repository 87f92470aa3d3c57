#!/usr/bin/env bash
# Runs a command with a PostgreSQL server of its own: TEST_POSTGRES is the folder of its socket, and the database
# `template` in it has the control plane's newest version. The server and its files are gone when the command ends.
#   tests/postgres.sh FOOTFALL COMMAND...
set -euo pipefail
footfall="$1"
shift
PATH="$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' ':')"
export TEST_POSTGRES
TEST_POSTGRES="$(mktemp -d /tmp/footfall-postgres.XXXXXX)"

# The server refuses to run as root.
as_owner=()
if [ "$(id -u)" = 0 ]; then
  chown postgres "$TEST_POSTGRES"
  as_owner=(runuser -u postgres --)
fi
control() { (cd "$TEST_POSTGRES" && "${as_owner[@]}" env PATH="$PATH" pg_ctl --silent --pgdata="$TEST_POSTGRES/data" "$@"); }
finish() {
  control stop --mode=immediate || true
  rm -rf "$TEST_POSTGRES"
}
trap finish EXIT

control initdb --options="--username=postgres --auth=trust --no-sync --encoding=UTF8 --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US" >"$TEST_POSTGRES/initdb.log"
# Nothing outlives the tests, so nothing is synced.
control start --wait --log="$TEST_POSTGRES/log" --options="-c listen_addresses= -c unix_socket_directories=$TEST_POSTGRES \
  -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=300 -c max_wal_size=4GB"
psql --quiet --host="$TEST_POSTGRES" --username=postgres --command="CREATE DATABASE template"
"$footfall" migrate --data "$TEST_POSTGRES/installation" --database-url "postgres:///template?host=$TEST_POSTGRES&user=postgres" >/dev/null
"$@"
