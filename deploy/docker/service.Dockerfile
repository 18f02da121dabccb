# One image per service: `docker build -f deploy/docker/service.Dockerfile --build-arg SERVICE=ingestor .` from the root of the
# repository. Trainer and exporter stand on the toolchain that they start (`--build-arg BASE=toolchain-ultralytics`);
# `--target toolchain-ultralytics` builds that one by itself.
ARG PYTHON=python:3.11-slim-bookworm
ARG BASE=plain

FROM ${PYTHON} AS plain

# The ultralytics toolchain: a program of its own (AGPL-3.0) in its own environment, which services start as a child.
# TORCH_INDEX=https://download.pytorch.org/whl/cpu gives the small build for machines without a GPU; empty, it is the
# CUDA build of PyPI.
FROM ${PYTHON} AS toolchain-ultralytics-build
ARG TORCH_INDEX=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_EXTRA_INDEX_URL=${TORCH_INDEX}
WORKDIR /opt/toolchains/ultralytics
# Its two gigabytes of dependencies first: a change of its own code does not fetch them again.
COPY toolchains/ultralytics/requirements*.txt ./
RUN python -m venv .venv && .venv/bin/pip install --quiet -r requirements-torch.txt && .venv/bin/pip install --quiet -r requirements.txt
COPY toolchains/ultralytics ./
COPY deploy/docker/sbom.py /src/
RUN ./install.sh image && .venv/bin/python -m pip uninstall --quiet --yes pip && .venv/bin/python /src/sbom.py > sbom.cdx.json

FROM ${PYTHON} AS toolchain-ultralytics
LABEL org.opencontainers.image.title="azaion-toolchain-ultralytics" \
      org.opencontainers.image.licenses="AGPL-3.0-only"
COPY --from=toolchain-ultralytics-build /opt/toolchains/ultralytics /opt/toolchains/ultralytics
ENV AZAION_TOOLCHAINS__ULTRALYTICS_PYTHON=/opt/toolchains/ultralytics/.venv/bin/python

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY constraints.txt deploy/docker/hashes.txt deploy/docker/install_locked.py deploy/docker/requirements-build.txt ./
RUN python -m venv /opt/azaion && /opt/azaion/bin/python install_locked.py -r requirements-build.txt
COPY libs/azaion_common libs/azaion_common
# What all services share comes first: one layer for all of them.
RUN /opt/azaion/bin/python install_locked.py './libs/azaion_common[production,traces]'
ARG SERVICE
ARG EXTRAS=""
COPY libs libs
COPY services/${SERVICE} services/${SERVICE}
RUN /opt/azaion/bin/python install_locked.py "./services/${SERVICE}${EXTRAS}" \
 && /opt/azaion/bin/pip uninstall --quiet --yes setuptools pip \
 && find /opt/azaion -path '*/site-packages/*' -type d -name tests -prune -exec rm -rf {} +
COPY deploy/docker/sbom.py ./
RUN /opt/azaion/bin/python sbom.py > /opt/azaion/sbom.cdx.json

FROM ${BASE}
ARG SERVICE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="azaion-${SERVICE}" \
      org.opencontainers.image.description="Azaion AI Training: the ${SERVICE} service" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/azaion /opt/azaion
COPY deploy/docker/azaion-ready /usr/local/bin/
ENV PATH=/opt/azaion/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    AZAION_SERVICE=${SERVICE} \
    AZAION_HOME=/var/lib/azaion \
    AZAION_PLATFORM__METRICS_HOST=0.0.0.0 \
    AZAION_PLATFORM__METRICS_PORT=9400
# A volume that is mounted here for the first time takes over this owner.
RUN mkdir -p /var/lib/azaion && chown 10001:10001 /var/lib/azaion
USER 10001:10001
EXPOSE 9400
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=6 CMD ["azaion-ready"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["azaion"]
CMD ["run"]
