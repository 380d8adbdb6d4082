"""Sum check: submeters of one parent add up to more than the parent."""

from data_quality.contracts.site_file.vee import Action

NAME = "sum_check"
MEANING = "The submeters together show more than their parent"
ACTION = Action.FLAG
UNIT = "share of the parent's day"
REASON = "accuracy classes of both sides and clocks some minutes apart"
