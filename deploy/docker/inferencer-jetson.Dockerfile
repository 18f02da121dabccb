# The inferencer on a Jetson with JetPack 6 (arm64, CUDA 12.6). Build it on the device, whose CUDA libraries the base has:
#   docker build -f deploy/docker/inferencer-jetson.Dockerfile --build-arg ONNX_RUNTIME=onnxruntime_gpu-….whl -t azaion/inferencer-jetson:0.1.0 .
#   docker run --runtime nvidia …
# ONNX_RUNTIME is a wheel of ONNX Runtime with CUDA for Python 3.11, in this folder or by URL. NVIDIA's index has wheels for
# JetPack's own Python 3.10 only, which this program does not run on: docs/operations.md says how to build one. Without a wheel
# that can use the GPU the build ends: PyPI's would run on the CPU and never say so. Not built on a device yet.
ARG L4T=nvcr.io/nvidia/l4t-jetpack:r36.4.0

FROM ${L4T}
ARG ONNX_RUNTIME
RUN [ -n "${ONNX_RUNTIME}" ] || { echo "--build-arg ONNX_RUNTIME=WHEEL is needed: see docs/operations.md, Jetson" >&2; exit 1; }
RUN apt-get update -q && apt-get install -yq --no-install-recommends software-properties-common \
 && add-apt-repository -y ppa:deadsnakes/ppa && apt-get install -yq --no-install-recommends python3.11 python3.11-venv \
 && apt-get purge -yq software-properties-common && apt-get autoremove -yq && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /var/lib/azaion && chown 10001:10001 /var/lib/azaion
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY . ./
RUN python3.11 -m venv /opt/azaion && /opt/azaion/bin/python deploy/docker/install_locked.py -r deploy/docker/requirements-build.txt
RUN /opt/azaion/bin/python deploy/docker/install_locked.py './libs/azaion_common[production,traces]' ./services/inferencer \
 && /opt/azaion/bin/pip uninstall --quiet --yes onnxruntime \
 && /opt/azaion/bin/pip install --quiet --no-deps "${ONNX_RUNTIME}" \
 && deploy/docker/check_cuda_libraries.sh /opt/azaion/bin/python \
 && install -m 755 deploy/docker/azaion-ready /usr/local/bin/ && rm -rf /src
WORKDIR /var/lib/azaion
LABEL org.opencontainers.image.title="azaion-inferencer-jetson" org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/azaion/bin:$PATH PYTHONDONTWRITEBYTECODE=1 AZAION_SERVICE=inferencer AZAION_HOME=/var/lib/azaion \
    AZAION_INFERENCER__ACCELERATOR=cuda \
    AZAION_PLATFORM__METRICS_HOST=0.0.0.0 AZAION_PLATFORM__METRICS_PORT=9400
USER 10001:10001
EXPOSE 9400
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=6 CMD ["azaion-ready"]
ENTRYPOINT ["azaion"]
CMD ["run"]
