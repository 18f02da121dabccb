#!/bin/sh
# Fill the volumes from a backup of deploy/backup.sh. Refuses to touch a system that has volumes already.
#   deploy/restore.sh DIRECTORY && docker compose up -d
set -eu
from=$(cd "${1:?"usage: deploy/restore.sh DIRECTORY"}" && pwd)
cd "$(dirname "$0")/.."
. deploy/volumes.sh

(cd "$from" && sha256sum --quiet -c SHA256SUMS) || { echo "the backup in $from is damaged: nothing was restored" >&2; exit 1; }
for volume in $(volumes); do
    [ -z "$(name_of "$volume")" ] || { echo "volume $volume exists: docker compose down -v first" >&2; exit 1; }
done
docker compose up --no-start
for volume in $(volumes); do
    [ -f "$from/$volume.tar.gz" ] || continue
    in_volume "$volume" rw "$from" tar -C /volume -xzf "/backup/$volume.tar.gz"
    echo "$volume: restored"
done
