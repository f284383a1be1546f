"""The handler of ``Custom::HyperPodClusterSoftware``: what runs in AWS Lambda.

A line of code belongs to exactly one of these:

``contract`` what the construct must know as well: names, bounds, choices, times.
``model``    frozen dataclasses and enums; nothing in them calls anything.
``rules``    pure functions over the model; time comes in as a value, values come out.
``messages`` those values in words: the only place with English.
``adapters`` thin adapters to SageMaker, EC2, CloudFormation, EventBridge and SSM.
``engine``   one request, one look at a time: it ties the rules to the adapters.
``handler``  the entry point that Lambda calls.
"""
