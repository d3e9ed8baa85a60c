"""The conductor of ml-loadtest: settings, service, load, measurement, baseline, judgement, report, publication."""

__version__ = "0.1.0"
