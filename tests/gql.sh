#!/usr/bin/env bash
# Starts an installation in a temporary folder and uses it by Python's client gql: tests/gql.sh FOOTFALL PYTHON
set -euo pipefail
footfall=$1 python=$(realpath -s "$2")
here=$(cd "$(dirname "$0")" && pwd)
. "$here/installation.sh"
"$python" "$here/gql_client.py" "$base" "$token" "$site"
