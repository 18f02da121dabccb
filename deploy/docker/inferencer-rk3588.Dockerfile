# The inferencer on an RK3588 board (arm64, vendor kernel 5.10 or 6.1 with rknpu 0.9.2 or later). Build it on the board, with
# librknnrt.so and rknn-toolkit-lite2 of the version that the models were converted with beside this file's context:
#   docker build -f deploy/docker/inferencer-rk3588.Dockerfile -t azaion/inferencer-rk3588:0.1.0 .
# It needs the devices /dev/dri, /dev/dma_heap, /dev/rga and /dev/mpp_service (edge.compose.yaml names them).
# Not built on a board yet; without a runtime for the NPU it runs the ONNX export on the CPU.
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON}
ARG RKNN_LITE=rknn-toolkit-lite2==2.3.2
RUN apt-get update -q && apt-get install -yq --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /var/lib/azaion && chown 10001:10001 /var/lib/azaion
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY constraints.txt deploy/docker/hashes.txt deploy/docker/install_locked.py deploy/docker/requirements-build.txt ./
RUN python -m venv /opt/azaion && /opt/azaion/bin/python install_locked.py -r requirements-build.txt
COPY libs/azaion_common libs/azaion_common
COPY libs/azaion_vision libs/azaion_vision
COPY services/inferencer services/inferencer
RUN /opt/azaion/bin/python install_locked.py './libs/azaion_common[production,traces]' ./services/inferencer \
 && /opt/azaion/bin/pip install --quiet --no-deps "${RKNN_LITE}"
LABEL org.opencontainers.image.title="azaion-inferencer-rk3588" org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/azaion/bin:$PATH PYTHONDONTWRITEBYTECODE=1 AZAION_SERVICE=inferencer AZAION_HOME=/var/lib/azaion \
    AZAION_PLATFORM__METRICS_HOST=0.0.0.0 AZAION_PLATFORM__METRICS_PORT=9400
USER 10001:10001
EXPOSE 9400
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=6 CMD ["azaion-ready"]
ENTRYPOINT ["azaion"]
CMD ["run"]
