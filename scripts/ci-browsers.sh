#!/usr/bin/env bash
# Installs the browsers that test/runtimes opens, from Debian: Chromium, Firefox, WebKitGTK's MiniBrowser with an X server
# and Mesa to draw on, and to compute with WebGPU. Does nothing where they are.
set -euo pipefail

packages=(chromium firefox-esr webkit2gtk-driver xvfb libgl1-mesa-dri mesa-vulkan-drivers)
missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
dpkg-query --show "${packages[@]}"
