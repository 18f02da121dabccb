#!/bin/sh
# Fill the volumes from a backup of deploy/backup.sh: the newest one in DIRECTORY, or the one with NUMBER. Refuses to touch a system
# that has volumes already.
#   deploy/restore.sh DIRECTORY [NUMBER] && docker compose up -d
set -eu
from=$(cd "${1:?"usage: deploy/restore.sh DIRECTORY [NUMBER]"}" && pwd)
until=${2:-9999}
cd "$(dirname "$0")/.."
. deploy/volumes.sh

found=$(steps "$from")
[ -n "$found" ] || { echo "there is no backup in $from" >&2; exit 1; }
for step in $found; do
    (cd "$from/$step" && sha256sum --quiet -c SHA256SUMS) || { echo "the backup in $from is damaged: nothing was restored" >&2; exit 1; }
done
for volume in $(volumes); do
    [ -z "$(name_of "$volume")" ] || { echo "volume $volume exists: docker compose down -v first" >&2; exit 1; }
done
docker compose up --no-start
for step in $found; do
    [ "$(echo "$step" | sed 's/^0*//; s/[ab]$//')" -le "$(echo "$until" | sed 's/^0*//')" ] || break
    for volume in $(volumes); do
        [ -f "$from/$step/$volume.tar" ] || continue
        # Incremental: what had been deleted by then is deleted again.
        in_volume "$volume" rw "$from/$step" tar -C /volume --listed-incremental=/dev/null -xf "/backup/$volume.tar"
    done
    echo "$step: restored"
done
