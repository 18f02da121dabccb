# Stand-in for rabbitmq:4.0-management: Debian's RabbitMQ 4 with the same user, folders and command.
FROM azaion-standin/debian:trixie
RUN apt-get update -q && apt-get install -yq --no-install-recommends rabbitmq-server gosu && rm -rf /var/lib/apt/lists/* \
 && usermod -u 999 rabbitmq && groupmod -g 999 rabbitmq && mkdir -p /var/lib/rabbitmq /var/log/rabbitmq /etc/rabbitmq \
 && rm -rf /var/lib/rabbitmq/* && chown -R 999:999 /var/lib/rabbitmq /var/log/rabbitmq
ENV HOME=/var/lib/rabbitmq PATH=/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/sbin:/bin RABBITMQ_LOGS=- LC_ALL=C.UTF-8 LANG=C.UTF-8
VOLUME /var/lib/rabbitmq
CMD ["rabbitmq-server"]
