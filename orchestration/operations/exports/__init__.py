"""Operations that hand data over in open formats, and take them."""
