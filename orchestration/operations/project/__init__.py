"""Operations on the project itself: check, next steps, keys, the machine."""
