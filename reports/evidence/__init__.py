"""Evidence packs: what a report rests on, sealed so that anybody can check it with nothing but the package."""
