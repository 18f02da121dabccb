# Stand-in for quay.io/prometheus/node-exporter: Debian's.
FROM azaion-standin/debian:trixie
RUN apt-get update -q && apt-get install -yq --no-install-recommends prometheus-node-exporter wget && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["prometheus-node-exporter"]
