#!/bin/sh
# Print the first Python on the PATH that runs and is new enough; `python3` when there is none.
for candidate in python3 python3.11 python3.12 python3.13 python3.14; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "$candidate"
        exit
    fi
done
echo python3
