"""Forms leak-free datasets and trains detectors from them."""
