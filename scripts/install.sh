#!/usr/bin/env bash
# Make one Python environment from one of our locks: hashes checked, wheels only, whatever the caller's pip or uv settings say.
#
#   scripts/install.sh PYTHON FOLDER LOCK
#
# uv does it in a second; where it cannot be installed, pip does it in a quarter of a minute.
set -euo pipefail
python=$1 folder=$2 lock=$3

# Settings of the caller's own pip, uv and Python must not change what we install. Certificates and proxies are left alone,
# and so is the index: a company's mirror is the only registry some runners reach, and the hashes hold it to our lock.
for name in $(compgen -e); do
  case $name in
    PIP_CERT | PIP_INDEX_URL | PIP_PROXY | UV_INDEX_URL | UV_DEFAULT_INDEX | UV_CACHE_DIR | UV_NATIVE_TLS | UV_SYSTEM_CERTS) ;;
    PIP_* | UV_* | PYTHON* | VIRTUAL_ENV) unset "$name" ;;
  esac
done
if [[ -n ${PIP_INDEX_URL:-} && -z ${UV_INDEX_URL:-} ]]; then
  export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

attempt() { # registries fail now and then: three tries, a little apart
  local n
  for n in 1 2 3; do
    "$@" && return
    echo "try $n of 3 failed: $*" >&2
    sleep $((n * 3))
  done
  return 1
}

with_uv() {
  "$uv" venv --quiet --no-config --python "$python" "$folder" &&
    attempt "$uv" pip install --quiet --no-config --python "$folder/bin/python" --require-hashes --only-binary :all: -r "$lock"
}

with_pip() {
  "$python" -I -m venv --clear "$folder" &&
    attempt "$folder/bin/python" -I -m pip install --quiet --no-deps --require-hashes --only-binary :all: -r "$lock"
}

here=$(cd "$(dirname "$0")/.." && pwd)
stamp=$folder/.lock
cmp -s "$lock" "$stamp" && exit 0

uv=$(command -v uv || true)
if [[ -z $uv ]]; then
  tools=${folder}-uv
  "$python" -I -m venv "$tools"
  grep -A 40 '^uv==' "$here/requirements/conductor.txt" | sed '/^ *# via/,$d' >"$tools/uv.txt"
  if attempt "$tools/bin/python" -I -m pip install --quiet --no-deps --require-hashes --only-binary :all: -r "$tools/uv.txt"; then
    uv=$tools/bin/uv
  fi
fi

rm -rf "$folder"
if [[ -z $uv ]] || ! with_uv; then # uv does not read pip's own configuration, where a company may name its mirror
  with_pip
fi
cp "$lock" "$stamp"
