"""A failing example is not made smaller while mutants are tried: that it fails is all that counts."""

from hypothesis import Phase, settings

settings.register_profile("quick", phases=(Phase.explicit, Phase.generate))
settings.load_profile("quick")
