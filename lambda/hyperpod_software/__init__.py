"""The handler of ``Custom::HyperPodClusterSoftware``: what runs in AWS Lambda.

Kinds of room, and a line of code belongs to exactly one of them:

``contract`` what the construct must know as well: names, bounds, choices, times.
``words``   frozen dataclasses and enums; nothing in them calls anything.
``rules``   pure functions over the words; time comes in as a value.
``edges``   thin adapters to SageMaker, EC2, CloudFormation, EventBridge and SSM.
``handler`` the door, with ``conductor`` behind it: one request, one look at a time.
"""
