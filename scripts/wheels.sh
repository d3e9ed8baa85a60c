#!/usr/bin/env bash
# Whether every package of our locks comes as a wheel for each machine and Python that we support.
#
#   scripts/wheels.sh UV LOCK...
#
# Nothing is installed: uv looks up, on a machine of any kind, what it would install on another. That it has a hash in the lock
# is seen by `make lock`, which changes nothing then.
set -euo pipefail
uv=$1
shift
status=0
for lock in "$@"; do
  for machine in x86_64 aarch64; do
    for version in 3.11 3.12 3.13 3.14; do
      target=$(mktemp -d)
      if ! said=$("$uv" pip install --no-config --dry-run --target "$target" --python-platform "$machine-manylinux_2_28" \
        --python-version "$version" --require-hashes --only-binary :all: -r "$lock" 2>&1); then
        printf '%s cannot be installed on %s with Python %s:\n%s\n' "$lock" "$machine" "$version" "$said" >&2
        status=1
      fi
      rm -rf "$target"
    done
  done
done
exit "$status"
