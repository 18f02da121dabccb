#!/bin/sh
# Copy every volume of the running system into DIRECTORY, at rest: services and servers are stopped meanwhile (seconds per
# gigabyte) and started again. Secrets are not in it: keep deploy/secrets apart.
#   deploy/backup.sh DIRECTORY          (COMPOSE_PROJECT_NAME and COMPOSE_PROFILES count, as for docker compose)
set -eu
into=${1:?"usage: deploy/backup.sh DIRECTORY"}
mkdir -p "$into"
into=$(cd "$into" && pwd)
cd "$(dirname "$0")/.."
. deploy/volumes.sh

running=$(docker compose ps --services --status running)
[ -n "$running" ] || { echo "nothing is running: is COMPOSE_PROJECT_NAME right?" >&2; exit 1; }
docker compose stop
trap 'docker compose up -d --no-build --no-recreate --wait $running' EXIT
for volume in $(volumes); do
    [ -n "$(name_of "$volume")" ] || continue
    # Written beside and renamed: a backup is whole or absent.
    in_volume "$volume" ro "$into" tar -C /volume -czf "/backup/.$volume.tar.gz.new" .
    mv "$into/.$volume.tar.gz.new" "$into/$volume.tar.gz"
    echo "$volume: $(du -h "$into/$volume.tar.gz" | cut -f1)"
done
(cd "$into" && sha256sum ./*.tar.gz > SHA256SUMS)
echo "backup in $into"
