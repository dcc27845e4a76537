//! config/deploy/ecs/cloudformation.yaml: its functions are evaluated as far as the examples use them,
//! its task definition is read like the others.

use serde_json::{Map, Value, json};

use super::{
    ecs,
    example::{Balancer, Example, list, number, port, word},
    rules, text, yaml,
};

const FILE: &str = "config/deploy/ecs/cloudformation.yaml";

/// A template and the values of its parameters.
struct Template {
    file: Value,
    server: &'static str,
}

// === impl Template ===

impl Template {
    fn new(server: &'static str) -> Self {
        Self { file: yaml::parse(&text(FILE)), server }
    }

    /// A resource's properties, evaluated.
    #[track_caller]
    fn properties(&self, name: &str, kind: &str) -> Value {
        let resource = &self.file["Resources"][name];
        assert_eq!(resource["Type"], kind, "{name}");
        self.value(&resource["Properties"])
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) if map.len() == 1 => {
                let (name, argument) = map.iter().next().unwrap();
                match name.as_str() {
                    "Ref" => self.reference(argument.as_str().unwrap()),
                    "Fn::FindInMap" => {
                        let keys = list(argument, |one| word(&self.value(one)));
                        let found = &self.file["Mappings"][&keys[0]][&keys[1]][&keys[2]];
                        assert!(found.is_string(), "{keys:?} is in no mapping");
                        found.clone()
                    }
                    "Fn::GetAtt" => {
                        let of = word(&argument[0]);
                        assert!(self.file["Resources"][&of].is_object(), "there is no {of}");
                        json!(format!("{of}.{}", word(&argument[1])))
                    }
                    "Fn::Sub" => argument.clone(),
                    other => {
                        assert!(!other.starts_with("Fn::"), "{other} is not known here");
                        Value::Object(Map::from_iter([(name.clone(), self.value(argument))]))
                    }
                }
            }
            Value::Object(map) => {
                map.iter().map(|(key, item)| (key.clone(), self.value(item))).collect()
            }
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }

    /// A parameter's default, or the name of what is not known before.
    fn reference(&self, name: &str) -> Value {
        let parameter = &self.file["Parameters"][name];
        if name == "Server" {
            assert!(list(&parameter["AllowedValues"], word).contains(&self.server.to_owned()));
            return self.server.into();
        }
        let is_known = name.starts_with("AWS::")
            || parameter.is_object()
            || self.file["Resources"][name].is_object();
        assert!(is_known, "{name} is referred to, and there is no such thing");
        parameter.get("Default").cloned().unwrap_or_else(|| name.into())
    }
}

/// `ContainerPort` to `containerPort`; names of variables and options are values here, and stay.
fn camel(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, item)| {
                let mut letters = key.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                (first.into_iter().chain(letters).collect::<String>(), camel(item))
            })
            .collect(),
        Value::Array(items) => items.iter().map(camel).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// What the target group and the service say.
pub(super) fn balancer() -> Balancer {
    let template = Template::new("gunicorn");
    let group = template.properties("TargetGroup", "AWS::ElasticLoadBalancingV2::TargetGroup");
    let service = template.properties("Service", "AWS::ECS::Service");
    assert_eq!(
        (&group["Protocol"], &group["HealthCheckProtocol"]),
        (&json!("HTTP"), &json!("HTTP"))
    );
    assert_eq!(group["HealthCheckPort"], "traffic-port");
    // Tasks of awsvpc have an address each.
    assert_eq!(group["TargetType"], "ip");
    let [target] = list(&service["LoadBalancers"], Clone::clone).try_into().unwrap();
    assert_eq!(target["TargetGroupArn"], "TargetGroup");
    assert_eq!(port(&target["ContainerPort"]), port(&group["Port"]));
    let attributes = list(&group["TargetGroupAttributes"], Clone::clone);
    let delay = attributes.iter().find(|one| one["Key"] == "deregistration_delay.timeout_seconds");
    Balancer {
        container: word(&target["ContainerName"]),
        port: port(&target["ContainerPort"]),
        path: word(&group["HealthCheckPath"]),
        codes: word(&group["Matcher"]["HttpCode"]),
        interval: number(&group["HealthCheckIntervalSeconds"]),
        timeout: number(&group["HealthCheckTimeoutSeconds"]),
        deregistration: number(&delay.unwrap()["Value"]),
        grace: number(&service["HealthCheckGracePeriodSeconds"]),
    }
}

#[test]
fn both_servers() {
    for server in ["gunicorn", "uwsgi"] {
        let template = Template::new(server);
        let task = camel(&template.properties("TaskDefinition", "AWS::ECS::TaskDefinition"));
        let file = format!("{FILE} with {server}");
        let containers = ecs::containers(&file, &task);
        rules::check(&Example { file, containers, balancer: Some(balancer()) }, "app");
    }
}

#[test]
fn it_is_the_task_definition_of_the_json() {
    for server in ["gunicorn", "uwsgi"] {
        let template = Template::new(server);
        let task = camel(&template.properties("TaskDefinition", "AWS::ECS::TaskDefinition"));
        let json = text(&format!("config/deploy/ecs/{server}.json"));
        let json: Value = serde_json::from_str(&json).unwrap();
        for (one, other) in list(&task["containerDefinitions"], Clone::clone)
            .iter()
            .zip(list(&json["containerDefinitions"], Clone::clone))
        {
            for field in [
                "name",
                "essential",
                "command",
                "mountPoints",
                "dependsOn",
                "healthCheck",
                "stopTimeout",
                "memory",
                "ulimits",
                "user",
            ] {
                assert_eq!(one[field], other[field], "{server}: {field} of {}", one["name"]);
            }
        }
    }
}

#[test]
fn tasks_take_requests_from_the_balancer_alone() {
    let template = Template::new("gunicorn");
    let group = template.properties("SecurityGroup", "AWS::EC2::SecurityGroup");
    let [rule] = list(&group["SecurityGroupIngress"], Clone::clone).try_into().unwrap();
    let port = balancer().port;
    assert_eq!((number(&rule["FromPort"]), number(&rule["ToPort"])), (port.into(), port.into()));
    assert_eq!(rule["SourceSecurityGroupId"], "LoadBalancerSecurityGroup");
    let service = template.properties("Service", "AWS::ECS::Service");
    let network = &service["NetworkConfiguration"]["AwsvpcConfiguration"];
    assert_eq!(network["SecurityGroups"], json!(["SecurityGroup"]));
    // Without this the service is created before its target group has a balancer, which fails.
    assert_eq!(template.file["Resources"]["Service"]["DependsOn"], "ListenerRule");
    let log = template.properties("TaskDefinition", "AWS::ECS::TaskDefinition");
    for container in list(&log["ContainerDefinitions"], Clone::clone) {
        assert_eq!(container["LogConfiguration"]["Options"]["awslogs-group"], "LogGroup");
    }
    assert!(template.properties("LogGroup", "AWS::Logs::LogGroup")["RetentionInDays"].is_u64());
}

#[test]
fn every_parameter_and_resource_is_used() {
    let source = text(FILE);
    let template = Template::new("gunicorn");
    let file = &template.file;
    for name in file["Parameters"].as_object().unwrap().keys() {
        assert!(source.contains(&format!("Ref: {name}}}")), "{name} is not used");
    }
    for name in file["Resources"].as_object().unwrap().keys() {
        // Every one of them evaluates, so that nothing refers to what is not there.
        assert!(template.value(&file["Resources"][name]["Properties"]).is_object(), "{name}");
    }
}
