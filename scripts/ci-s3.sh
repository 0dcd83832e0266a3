#!/usr/bin/env bash
# Installs the S3 server that test/runtimes uploads to, moto from PyPI, into build/s3-server. Does nothing where it is.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=build/s3-server
requirements=test/runtimes/s3/requirements.txt
if ! cmp -s "$requirements" "$folder/requirements.txt"; then
  if ! python3 -c "import ensurepip" 2>/dev/null; then
    echo "installing python3-venv"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
  fi
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --requirement "$requirements"
  cp "$requirements" "$folder/requirements.txt"
fi
"$folder/bin/moto_server" --version 2>/dev/null || "$folder/bin/pip" show moto | sed -n 2p
