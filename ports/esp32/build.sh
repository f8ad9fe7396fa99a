#!/bin/sh
# Builds MicroPython with a partition for the firmware, and one file for esptool out of both.
# NEVER RUN by its authors: neither this nor what comes of it. Needs git and make, and docker or
# the shell of an ESP-IDF (idf.py on the PATH), and the network.
#
#   ports/esp32/build.sh        then what it prints; URL=... ID=... and the rest of make config's
#                               variables put a config.json into it
set -eu
micropython=v1.26.1  # the least that the firmware takes
idf=v5.4.2           # the newest that this MicroPython supports
root=$(cd "$(dirname "$0")/../.." && pwd)
work=${WORK:-$root/build/port}

[ -d "$work" ] || git clone --depth 1 --branch "$micropython" \
    https://github.com/micropython/micropython "$work"
rm -rf "$work/ports/esp32/boards/PILOTWIRE"
cp -r "$root/ports/esp32/PILOTWIRE" "$work/ports/esp32/boards/"

all='make -C mpy-cross && make -C ports/esp32 BOARD=PILOTWIRE submodules && make -C ports/esp32 BOARD=PILOTWIRE'
cd "$work"
if command -v idf.py >/dev/null; then
    sh -c "$all"
else
    docker run --rm --volume "$work:$work" --workdir "$work" "espressif/idf:$idf" sh -c \
        "git config --global --add safe.directory '*' && $all"
fi
exec make -C "$root" image IMAGE="$work/ports/esp32/build-PILOTWIRE/firmware.bin"
