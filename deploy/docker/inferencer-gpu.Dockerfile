# The inferencer on an x86 machine with an NVIDIA GPU: ONNX Runtime's CUDA build on CUDA's runtime libraries.
#   docker build -f deploy/docker/inferencer-gpu.Dockerfile -t azaion/inferencer-gpu:0.1.0 .
#   docker run --gpus all …
ARG CUDA=nvidia/cuda:12.9.1-cudnn-runtime-ubuntu24.04

FROM ${CUDA} AS build
RUN apt-get update -q && apt-get install -yq --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv /opt/azaion && /opt/azaion/bin/pip install --quiet --upgrade 'pip>=25.1' 'setuptools>=80'
WORKDIR /src
COPY constraints.txt ./
COPY libs/azaion_common libs/azaion_common
COPY services/inferencer services/inferencer
# The CUDA build is a package of another name that owns the same folder: it takes the place of the one that was resolved.
RUN /opt/azaion/bin/pip install --quiet --no-build-isolation -c constraints.txt './libs/azaion_common[production,traces]' ./services/inferencer \
 && /opt/azaion/bin/pip uninstall --quiet --yes onnxruntime \
 && /opt/azaion/bin/pip install --quiet --no-deps onnxruntime-gpu \
 && /opt/azaion/bin/pip uninstall --quiet --yes setuptools pip

FROM ${CUDA}
LABEL org.opencontainers.image.title="azaion-inferencer-gpu" org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update -q && apt-get install -yq --no-install-recommends python3 && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /var/lib/azaion && chown 10001:10001 /var/lib/azaion
COPY --from=build /opt/azaion /opt/azaion
ENV PATH=/opt/azaion/bin:$PATH PYTHONDONTWRITEBYTECODE=1 AZAION_SERVICE=inferencer AZAION_HOME=/var/lib/azaion \
    AZAION_PLATFORM__METRICS_HOST=0.0.0.0 AZAION_PLATFORM__METRICS_PORT=9400
USER 10001:10001
EXPOSE 9400
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=6 \
    CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9400/readyz', timeout=3)"]
ENTRYPOINT ["azaion"]
CMD ["run"]
