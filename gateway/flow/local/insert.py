"""插入: new rows stand among those of a draft; the check has put them there and numbered all of them anew."""

from tongguan.gateway.flow.local.save import do

__all__ = ["do"]
