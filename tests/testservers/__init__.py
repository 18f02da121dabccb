"""Real servers for tests, on loopback, started when first needed and gone afterwards.

An address in the environment is used instead of an own server: ``AZAION_TEST_RABBITMQ``, ``AZAION_TEST_POSTGRES``,
``AZAION_TEST_S3``. ``python -m testservers`` starts all three to try things on.
"""
