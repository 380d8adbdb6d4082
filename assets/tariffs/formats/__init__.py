"""What tariff files say, in our language and in others', and a tariff in words."""
