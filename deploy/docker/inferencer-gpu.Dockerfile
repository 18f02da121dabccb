# The inferencer on an x86 machine with an NVIDIA GPU (driver 580 or later: CUDA 13). The CUDA libraries are those that this
# ONNX Runtime was built for, from PyPI, so that the two cannot drift apart; the build fails where one is missing.
#   docker build -f deploy/docker/inferencer-gpu.Dockerfile -t azaion/inferencer-gpu:0.1.0 .
#   docker run --gpus all …
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY constraints.txt deploy/docker/hashes.txt deploy/docker/install_locked.py deploy/docker/requirements-build.txt ./
RUN python -m venv /opt/azaion && /opt/azaion/bin/python install_locked.py -r requirements-build.txt
COPY deploy/docker/requirements-cuda.txt deploy/docker/check_cuda_libraries.sh ./
COPY libs/azaion_common libs/azaion_common
COPY libs/azaion_vision libs/azaion_vision
COPY services/inferencer services/inferencer
ENV LD_LIBRARY_PATH=/opt/azaion/lib/python3.11/site-packages/nvidia/cu13/lib:/opt/azaion/lib/python3.11/site-packages/nvidia/cudnn/lib
# The CUDA build is a package of another name that owns the same folder: it takes the place of the one that was resolved.
RUN /opt/azaion/bin/python install_locked.py './libs/azaion_common[production,traces]' ./services/inferencer \
 && /opt/azaion/bin/pip uninstall --quiet --yes onnxruntime \
 && /opt/azaion/bin/python install_locked.py -r requirements-cuda.txt \
 && ./check_cuda_libraries.sh /opt/azaion/bin/python \
 && /opt/azaion/bin/pip uninstall --quiet --yes setuptools pip

FROM ${PYTHON}
LABEL org.opencontainers.image.title="azaion-inferencer-gpu" org.opencontainers.image.licenses="Apache-2.0"
RUN mkdir -p /var/lib/azaion && chown 10001:10001 /var/lib/azaion
COPY --from=build /opt/azaion /opt/azaion
COPY deploy/docker/azaion-ready /usr/local/bin/
ENV PATH=/opt/azaion/bin:$PATH PYTHONDONTWRITEBYTECODE=1 AZAION_SERVICE=inferencer AZAION_HOME=/var/lib/azaion \
    LD_LIBRARY_PATH=/opt/azaion/lib/python3.11/site-packages/nvidia/cu13/lib:/opt/azaion/lib/python3.11/site-packages/nvidia/cudnn/lib \
    AZAION_INFERENCER__ACCELERATOR=cuda \
    AZAION_PLATFORM__METRICS_HOST=0.0.0.0 AZAION_PLATFORM__METRICS_PORT=9400
USER 10001:10001
EXPOSE 9400
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=6 CMD ["azaion-ready"]
ENTRYPOINT ["azaion"]
CMD ["run"]
