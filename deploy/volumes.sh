# Sourced by backup.sh and restore.sh: the volumes of compose.yaml by their names there.
project=$(docker compose config --format json | sed -n 's/^  "name": "\(.*\)",\{0,1\}$/\1/p')

volumes() { docker compose --profile '*' config --volumes | sort; }

name_of() {
    docker volume ls -q --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.volume=$1"
}

# steps DIRECTORY: the steps of the backups in it, oldest first: 0001a while everything ran, 0001b while it was frozen.
steps() { find "$1" -maxdepth 1 -type d -name '[0-9][0-9][0-9][0-9][ab]' -exec basename {} \; | sort; }

# in_volume NAME ro|rw DIRECTORY COMMAND...: run COMMAND as root with the volume at /volume and DIRECTORY at /backup.
in_volume() {
    found=$(name_of "$1") mode=$2 beside=$3 program=$4
    shift 4
    docker run --rm --network none --user 0 --entrypoint "$program" -v "$found:/volume:$mode" -v "$beside:/backup" \
        postgres:17 "$@"
}
