# Stand-in for prom/alertmanager: Debian's.
FROM azaion-standin/debian:trixie
RUN apt-get update -q && apt-get install -yq --no-install-recommends prometheus-alertmanager wget && rm -rf /var/lib/apt/lists/* /etc/prometheus/* \
 && mkdir /alertmanager && chown 65534:65534 /alertmanager && ln -s /usr/bin/prometheus-alertmanager /usr/bin/alertmanager
ENTRYPOINT ["alertmanager"]
