"""Checks the files for AWS without AWS: nothing here needs a network or an account.

Usage: check.py template FILE: a CloudFormation template, by cfn-lint
       check.py input SERVICE OPERATION FILE: the input of an operation, by botocore's model of it

FILE may be /dev/stdin. Prints what is wrong, a line each, and ends with status 1 if anything is.
"""

import json
import sys

REGION = "eu-central-1"


def template(path):
    from cfnlint import api
    from cfnlint.config import ManualArgs
    from cfnlint.helpers import REGIONS

    assert REGION in REGIONS
    with open(path, encoding="utf-8") as file:
        text = file.read()
    # Warnings count: an alias, which CloudFormation refuses, is one.
    found = api.lint(text, config=ManualArgs(regions=[REGION], include_checks=["W", "E"]))
    return [f"{one.rule.id} line {one.linenumber}: {one.message}" for one in found]


def operation_input(service, operation, path):
    from botocore.loaders import Loader
    from botocore.model import ServiceModel
    from botocore.validate import ParamValidator

    model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    shape = model.operation_model(operation).input_shape
    with open(path, encoding="utf-8") as file:
        value = json.load(file)
    report = ParamValidator().validate(value, shape)
    lines = report.generate_report().splitlines() if report.has_errors() else []
    return lines + list(words(value, shape, ""))


def words(value, shape, path):
    """The values that the model does not list; botocore leaves this check to the service."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, item in value.items():
            if name in shape.members:
                yield from words(item, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from words(item, shape.member, f"{path}[{index}]")
    elif shape.type_name == "map" and isinstance(value, dict):
        for name, item in value.items():
            yield from words(name, shape.key, f"{path}.{name}")
            yield from words(item, shape.value, f"{path}.{name}")
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is none of {', '.join(shape.enum)}"


checks = {"template": template, "input": operation_input}
problems = checks[sys.argv[1]](*sys.argv[2:])
print("\n".join(problems))
sys.exit(1 if problems else 0)
