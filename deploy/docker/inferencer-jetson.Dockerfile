# The inferencer on a Jetson with JetPack 6 (arm64). Build it on the device, whose CUDA libraries the base has:
#   docker build -f deploy/docker/inferencer-jetson.Dockerfile -t azaion/inferencer-jetson:0.1.0 .
#   docker run --runtime nvidia …
# ONNX_RUNTIME names a wheel of ONNX Runtime with CUDA for JetPack's Python 3.10 or the device's own index; without one the
# CPU build of PyPI is used. Not built on a device yet: docs/operations.md says so.
ARG L4T=nvcr.io/nvidia/l4t-jetpack:r36.4.0

FROM ${L4T}
ARG ONNX_RUNTIME=""
RUN apt-get update -q && apt-get install -yq --no-install-recommends software-properties-common \
 && add-apt-repository -y ppa:deadsnakes/ppa && apt-get install -yq --no-install-recommends python3.11 python3.11-venv \
 && apt-get purge -yq software-properties-common && apt-get autoremove -yq && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /var/lib/azaion && chown 10001:10001 /var/lib/azaion
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3.11 -m venv /opt/azaion && /opt/azaion/bin/pip install --quiet --upgrade 'pip>=25.1' 'setuptools>=80'
WORKDIR /src
COPY constraints.txt ./
COPY libs/azaion_common libs/azaion_common
COPY services/inferencer services/inferencer
RUN /opt/azaion/bin/pip install --quiet --no-build-isolation -c constraints.txt './libs/azaion_common[production,traces]' ./services/inferencer \
 && if [ -n "${ONNX_RUNTIME}" ]; then /opt/azaion/bin/pip uninstall --quiet --yes onnxruntime \
    && /opt/azaion/bin/pip install --quiet --no-deps "${ONNX_RUNTIME}"; fi
LABEL org.opencontainers.image.title="azaion-inferencer-jetson" org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/azaion/bin:$PATH PYTHONDONTWRITEBYTECODE=1 AZAION_SERVICE=inferencer AZAION_HOME=/var/lib/azaion \
    AZAION_PLATFORM__METRICS_HOST=0.0.0.0 AZAION_PLATFORM__METRICS_PORT=9400
USER 10001:10001
EXPOSE 9400
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=6 \
    CMD ["python3.11", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9400/readyz', timeout=3)"]
ENTRYPOINT ["azaion"]
CMD ["run"]
