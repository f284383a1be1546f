"""What construct and handler must agree on, once: ``hyperpod_patching`` imports it from here.

``properties``  the names of the custom resources and of their properties, and what can be chosen.
``values``      what a property's value may be: patterns and bounds.
``times``       how long anything may take.
``answers``     the attributes that a custom resource has, and the outcomes that they tell.
``names``       what the function is called by, makes up and may do in the account.
``signals``     metrics, fields of log lines, and HyperPod's events.

Constants, enums and frozen values, of the standard library alone: it travels in the function. What
stands in templates that are deployed (names, types, choices, attributes) never changes its text.
"""
