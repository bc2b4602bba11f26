"""How well single, non-medical numbers of an image tell the classes apart."""
