#!/bin/sh
# Copy every volume of the running system into DIRECTORY while it runs; into one that holds a backup already, only what has
# changed since. First everything is copied under way, then all containers are frozen for the seconds that the rest takes: what is
# restored is what a power cut at that moment would have left, from which every service goes on by itself. Secrets are not in it:
# keep deploy/secrets apart.
#   deploy/backup.sh DIRECTORY          (COMPOSE_PROJECT_NAME and COMPOSE_PROFILES count, as for docker compose)
set -eu
into=${1:?"usage: deploy/backup.sh DIRECTORY"}
mkdir -p "$into"
into=$(cd "$into" && pwd)
cd "$(dirname "$0")/.."
. deploy/volumes.sh

[ -n "$(docker compose ps --services --status running)" ] || { echo "nothing is running: is COMPOSE_PROJECT_NAME right?" >&2; exit 1; }
last=$(steps "$into" | tail -n 1)
number=$(printf '%04d' $((1 + $(echo "${last:-0}" | sed 's/^0*//; s/[ab]$//; s/^$/0/'))))
rm -rf "$into"/.new
mkdir "$into/.new" "$into/.new/${number}a" "$into/.new/${number}b"
if [ -d "$into/state" ]; then cp -r "$into/state" "$into/.new/state"; else mkdir "$into/.new/state"; fi

# copy STEP: of every volume what is not in the steps before; tar remembers in state/ what it has seen.
copy() {
    for volume in $(volumes); do
        [ -n "$(name_of "$volume")" ] || continue
        # tar ends with 1 where a file changed while it was read: under way that is expected, and the next step has it again.
        in_volume "$volume" ro "$into/.new" tar -C /volume --listed-incremental="/backup/state/$volume" --no-check-device \
            -cf "/backup/$1/$volume.tar" . || { code=$?; [ "$code:$1" = "1:${number}a" ] || exit "$code"; }
    done
    (cd "$into/.new/$1" && sha256sum ./*.tar > SHA256SUMS)
}

echo "copying while everything runs"
copy "${number}a"
frozen=$(date +%s)
docker compose pause
trap 'docker compose unpause' EXIT
copy "${number}b"
docker compose unpause
trap - EXIT
echo "frozen for $(($(date +%s) - frozen)) s"

# Renamed when all of it is there: a backup is whole or absent.
rm -rf "$into/state"
mv "$into/.new/${number}a" "$into/.new/${number}b" "$into/.new/state" "$into"
rmdir "$into/.new"
sync "$into"
echo "backup $number in $into: $(du -shc "$into/${number}a" "$into/${number}b" | tail -n 1 | cut -f1)"
