"""Plant balance: the meters of one significant energy use show more than the building takes in."""

from data_quality.contracts.site_file.vee import Action

NAME = "plant_balance"
MEANING = "The plant of one energy use shows more than the whole building takes in"
ACTION = Action.FLAG
UNIT = "share of the building's day"
REASON = "accuracy classes of both sides and clocks some minutes apart"
