# Stand-in for quay.io/prometheuscommunity/postgres-exporter: Debian's.
FROM azaion-standin/debian:trixie
RUN apt-get update -q && apt-get install -yq --no-install-recommends prometheus-postgres-exporter wget && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["prometheus-postgres-exporter"]
