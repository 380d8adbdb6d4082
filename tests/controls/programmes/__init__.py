"""Tests of the OpenADR 3 client, the listener and the local VTN."""
