"""删除行: rows of a draft go; the check has taken them out and numbered the others anew."""

from tongguan.gateway.flow.local.save import do

__all__ = ["do"]
