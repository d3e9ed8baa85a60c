"""How often the gate is wrong: many comparisons of services that did not change, and of services that did, for real."""
