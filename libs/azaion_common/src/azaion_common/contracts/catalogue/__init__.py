"""The class catalogue: which classes exist, in which conditions, and which of a model's slots means what."""

from azaion_common.contracts.catalogue.model import Catalogue, CatalogueClass

__all__ = ["Catalogue", "CatalogueClass"]
