"""Licences and the declarations that use them."""
