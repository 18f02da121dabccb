# Stand-in for postgres:17: Debian's PostgreSQL 17 with the same user, folder and the variables that compose.yaml uses.
FROM azaion-standin/debian:trixie
RUN apt-get update -q && apt-get install -yq --no-install-recommends postgresql-17 && rm -rf /var/lib/apt/lists/* \
 && usermod -u 999 postgres && groupmod -g 999 postgres && rm -rf /var/lib/postgresql/* && mkdir -p /var/lib/postgresql/data \
 && chown -R 999:999 /var/lib/postgresql /var/run/postgresql
ENV PATH=/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin:/sbin:/bin PGDATA=/var/lib/postgresql/data
COPY postgres.sh /usr/bin/docker-entrypoint.sh
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
