# Stand-in for prom/prometheus: Debian's.
FROM azaion-standin/debian:trixie
RUN apt-get update -q && apt-get install -yq --no-install-recommends prometheus wget && rm -rf /var/lib/apt/lists/* /etc/prometheus/* \
 && mkdir /prometheus && chown 65534:65534 /prometheus
ENTRYPOINT ["prometheus"]
