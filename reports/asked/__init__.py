"""Numbers that are asked for by what they are: made as figures when somebody asks, stored only if they are kept."""
