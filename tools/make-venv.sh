#!/bin/sh
# Make a virtual environment from hash-locked requirements files, installed one after another.
# Usage: make-venv.sh DIRECTORY PYTHON REQUIREMENTS...
#
# Debian keeps the module that puts pip into a virtual environment in a package of its own,
# python3-venv. Without it pip's wheel is unpacked from Debian's archive, which apt verifies;
# nothing is installed on the machine and no root is needed.
set -eu

venv=$1
python=$2
shift 2

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || fail \
    "Moddy needs Python 3.11 or newer; '$python' is not, or does not run." \
    "Name another one: make PYTHON=python3.12 …"

unpack_pip() (
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    if ! apt-get -qq download python3-pip-whl >/dev/null 2>&1; then
        # A fresh container has no package lists; only root may fetch them.
        apt-get -qq update >/dev/null && apt-get -qq download python3-pip-whl >/dev/null
    fi
    dpkg-deb -x python3-pip-whl_*.deb .
    wheel=$(echo "$work"/usr/share/python-wheels/pip-*.whl)
    "$1" "$wheel/pip" install --quiet --quiet --root-user-action ignore --no-index "$wheel"
)

echo "Making $venv with $("$python" -V); this takes about a minute."
if "$python" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m venv --clear "$venv"
else
    "$python" -m venv --clear --without-pip "$venv"
    unpack_pip "$(pwd)/$venv/bin/python" 2>/dev/null || fail \
        "'$python' cannot put pip into a virtual environment." \
        "On Debian: apt install python3-venv, then run this again."
fi
for requirements; do
    "$venv/bin/python" -m pip install --quiet --quiet --root-user-action ignore \
        --require-hashes --requirement "$requirements"
done
