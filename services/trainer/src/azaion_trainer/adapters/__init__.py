"""One outside thing each: dataset folders, the ultralytics toolchain."""
