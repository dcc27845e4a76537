//! config/deploy/ecs/cloudformation.yaml: the resources that it creates with the parameters that users set.

use serde_json::{Value, json};
use sideman::config;

use super::{
    aws::Checker,
    ecs,
    example::{Balancer, Example, list, number, port, word},
    rules,
    template::Template,
    text, yaml,
};

const FILE: &str = "config/deploy/ecs/cloudformation.yaml";
const GUNICORN: &[(&str, &str)] = &[("Application", "project.wsgi"), ("Host", "www.example.org")];
const UWSGI: &[(&str, &str)] =
    &[("Application", "project.wsgi"), ("Host", "www.example.org"), ("Server", "uwsgi")];
/// Every optional parameter.
const EVERYTHING: &[(&str, &str)] = &[
    ("Application", "shop.wsgi:application"),
    ("AssignPublicIp", "DISABLED"),
    ("Architecture", "ARM64"),
    ("DatabaseSecurityGroup", "sg-database"),
    ("EnvironmentFile", "arn:aws:s3:::bucket/site/site.env"),
    ("MaxInFlight", "12"),
    ("MediaAccessPoint", "fsap-1"),
    ("MediaFileSystem", "fs-1"),
    ("Metrics", "prometheus"),
    ("MoreSecurityGroups", "sg-1,sg-2"),
    ("PrometheusWorkspace", "ws-1"),
    ("SecretsKey", "arn:aws:kms:eu-central-1:111122223333:key/1"),
    ("TrustedProxies", "10.1.0.0/16,2001:db8::/56"),
    ("Workers", "6"),
];
const CLOUDWATCH: &[(&str, &str)] = &[("Metrics", "cloudwatch"), ("Server", "uwsgi")];
const VARIANTS: [&[(&str, &str)]; 4] = [GUNICORN, UWSGI, EVERYTHING, CLOUDWATCH];

fn template(values: &[(&str, &str)]) -> Template {
    Template::new(&text(FILE), values)
}

/// A task definition in the form of the API.
fn task(values: &[(&str, &str)], name: &str) -> Value {
    camel(&template(values).properties(name, "AWS::ECS::TaskDefinition"))
}

/// `ContainerPort` to `containerPort`, and the names that differ between CloudFormation and the API. Names of
/// variables are values here and stay unchanged.
fn camel(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, item)| {
                let name = match key.as_str() {
                    "EFSVolumeConfiguration" => "efsVolumeConfiguration".into(),
                    "FilesystemId" => "fileSystemId".into(),
                    "IAM" => "iam".into(),
                    key => {
                        let mut letters = key.chars();
                        let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                        first.into_iter().chain(letters).collect::<String>()
                    }
                };
                (name, camel(item))
            })
            .collect(),
        Value::Array(items) => items.iter().map(camel).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// The settings of the target group and the service.
pub(super) fn balancer() -> Balancer {
    let template = template(GUNICORN);
    let group = template.properties("TargetGroup", "AWS::ElasticLoadBalancingV2::TargetGroup");
    let service = template.properties("Service", "AWS::ECS::Service");
    assert_eq!(
        (&group["Protocol"], &group["HealthCheckProtocol"]),
        (&json!("HTTP"), &json!("HTTP"))
    );
    assert_eq!(group["HealthCheckPort"], "traffic-port");
    // Tasks with awsvpc have an IP address each.
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

/// A container of a task definition.
fn container(task: &Value, name: &str) -> Value {
    let all = list(&task["containerDefinitions"], Clone::clone);
    all.into_iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

/// The statements of a role's own policies.
fn statements(template: &Template, role: &str) -> Vec<Value> {
    let role = template.properties(role, "AWS::IAM::Role");
    let policies = list(&role["Policies"], |one| one["PolicyDocument"]["Statement"].clone());
    policies.iter().flat_map(|one| one.as_array().unwrap().clone()).collect()
}

/// The actions that a role may perform on a resource.
fn allowed(statements: &[Value], resource: &Value) -> Vec<String> {
    let words = |value: &Value| match value.as_array() {
        Some(items) => items.iter().map(word).collect(),
        None => vec![word(value)],
    };
    let about = |one: &&Value| words(&one["Resource"]).contains(&word(resource));
    statements.iter().filter(about).flat_map(|one| words(&one["Action"])).collect()
}

#[test]
fn every_variant_keeps_the_rules() {
    for values in VARIANTS {
        let task = task(values, "TaskDefinition");
        let file = format!("{FILE} with {values:?}");
        let containers = ecs::containers(&file, &task);
        let example = Example { file, containers, balancer: Some(balancer()) };
        rules::check(&example, "app");
        let has_media = values == EVERYTHING;
        let sideman = example.container("sideman");
        assert_eq!(sideman.environment.contains_key("SIDEMAN_MEDIA"), has_media);
    }
}

#[test]
fn ecs_accepts_every_variant() {
    let Some(checker) = Checker::prepared() else { return };
    for values in VARIANTS {
        for name in ["TaskDefinition", "ManageDefinition"] {
            let found = checker.input("RegisterTaskDefinition", &task(values, name));
            assert_eq!(found, [] as [&str; 0], "{name} with {values:?}");
        }
    }
}

#[test]
fn task_definition_equals_that_of_the_json() {
    for (server, values) in [("gunicorn", GUNICORN), ("uwsgi", UWSGI)] {
        let task = task(values, "TaskDefinition");
        let json: Value =
            serde_json::from_str(&text(&format!("config/deploy/ecs/{server}.json"))).unwrap();
        for field in ["cpu", "memory", "runtimePlatform", "volumes"] {
            assert_eq!(task[field], json[field], "{server}: {field}");
        }
        let both = [&task, &json].map(|one| list(&one["containerDefinitions"], Clone::clone));
        assert_eq!(both[0].len(), both[1].len());
        for (one, other) in both[0].iter().zip(&both[1]) {
            let name = &one["name"];
            for field in [
                "name",
                "essential",
                "entryPoint",
                "command",
                "mountPoints",
                "dependsOn",
                "healthCheck",
                "stopTimeout",
                "memory",
                "ulimits",
                "user",
            ] {
                assert_eq!(one[field], other[field], "{server}: {field} of {name}");
            }
            let secrets = |container: &Value| list(&container["secrets"], |one| word(&one["name"]));
            assert_eq!(secrets(one), secrets(other), "{server}: secrets of {name}");
            if name != "sideman" {
                assert_eq!(one["environment"], other["environment"], "{server}: {name}");
            }
        }
    }
}

#[test]
fn manage_has_what_the_application_has() {
    for values in VARIANTS {
        let [task, manage] = ["TaskDefinition", "ManageDefinition"].map(|name| task(values, name));
        for field in ["cpu", "memory", "runtimePlatform", "executionRoleArn", "taskRoleArn"] {
            assert!(task[field] == manage[field] && !task[field].is_null(), "{field}");
        }
        let (app, one) = (container(&task, "app"), container(&manage, "manage"));
        for field in ["image", "environment", "secrets", "environmentFiles"] {
            assert!(app[field] == one[field] && !app[field].is_null(), "{field}");
        }
        // A task that runs another command ends when that command ends.
        assert_eq!(one["entryPoint"], json!(["python", "manage.py"]));
        assert_eq!(
            (list(&manage["containerDefinitions"], |_| ()).len(), &one["essential"]),
            (1, &json!(true))
        );
        ecs::check_log(FILE, &one);
    }
}

#[test]
fn the_execution_role_reads_what_tasks_name_and_nothing_else() {
    for values in VARIANTS {
        let template = template(values);
        let own = statements(&template, "ExecutionRole");
        let task = task(values, "TaskDefinition");
        for container in list(&task["containerDefinitions"], Clone::clone) {
            for secret in list(&container["secrets"], Clone::clone) {
                let may = allowed(&own, &secret["valueFrom"]);
                assert_eq!(may, ["secretsmanager:GetSecretValue", "ssm:GetParameters"], "{secret}");
            }
            for file in list(&container["environmentFiles"], Clone::clone) {
                assert_eq!(allowed(&own, &file["value"]), ["s3:GetObject"]);
                assert_eq!(allowed(&own, &json!("arn:aws:s3:::bucket")), ["s3:GetBucketLocation"]);
            }
        }
        let key = EVERYTHING.iter().find(|(name, _)| *name == "SecretsKey").unwrap().1;
        let expected: &[&str] = if values == EVERYTHING { &["kms:Decrypt"] } else { &[] };
        assert_eq!(allowed(&own, &json!(key)), expected);
        assert_eq!(allowed(&own, &json!("*")), [] as [&str; 0], "scoped");
        let role = template.properties("ExecutionRole", "AWS::IAM::Role");
        assert!(word(&role["ManagedPolicyArns"][0]).ends_with("/AmazonECSTaskExecutionRolePolicy"));
    }
}

#[test]
fn ecs_exec_reaches_the_application() {
    let template = template(GUNICORN);
    assert_eq!(template.properties("Service", "AWS::ECS::Service")["EnableExecuteCommand"], true);
    assert_eq!(task(GUNICORN, "TaskDefinition")["taskRoleArn"], "TaskRole.Arn");
    let may = allowed(&statements(&template, "TaskRole"), &json!("*"));
    for name in ["Create", "Open"] {
        for channel in ["Control", "Data"] {
            let action = format!("ssmmessages:{name}{channel}Channel");
            assert!(may.contains(&action), "{action}");
        }
    }
    // A session needs a writable root file system.
    let app = container(&task(GUNICORN, "TaskDefinition"), "app");
    assert!(app["readonlyRootFilesystem"].is_null());
}

#[test]
fn tasks_accept_requests_from_the_load_balancer_only() {
    let template = template(GUNICORN);
    let group = template.properties("SecurityGroup", "AWS::EC2::SecurityGroup");
    let [rule] = list(&group["SecurityGroupIngress"], Clone::clone).try_into().unwrap();
    let port = balancer().port;
    assert_eq!((number(&rule["FromPort"]), number(&rule["ToPort"])), (port.into(), port.into()));
    assert_eq!(rule["SourceSecurityGroupId"], "LoadBalancerSecurityGroup");
    // Without this, the service would be created before its target group has a load balancer, which fails.
    assert_eq!(template.file["Resources"]["Service"]["DependsOn"], "ListenerRule");
}

#[test]
fn tasks_are_in_the_networks_they_need() {
    for (values, groups, public) in [
        (GUNICORN, json!(["SecurityGroup.GroupId"]), "ENABLED"),
        (EVERYTHING, json!(["SecurityGroup.GroupId", "sg-1", "sg-2"]), "DISABLED"),
    ] {
        let service = template(values).properties("Service", "AWS::ECS::Service");
        let network = &service["NetworkConfiguration"]["AwsvpcConfiguration"];
        assert_eq!(network["SecurityGroups"], groups);
        assert_eq!(network["AssignPublicIp"], public);
    }
    assert!(!template(GUNICORN).has("DatabaseIngress"));
    let template = template(EVERYTHING);
    let rule = template.properties("DatabaseIngress", "AWS::EC2::SecurityGroupIngress");
    assert_eq!(
        (&rule["GroupId"], &rule["SourceSecurityGroupId"]),
        (&json!("sg-database"), &json!("SecurityGroup.GroupId"))
    );
    // The service is created after the database, since startup needs it.
    let service = template.properties("Service", "AWS::ECS::Service");
    assert_eq!(service["Tags"][0]["Value"], "DatabaseIngress");
    assert_eq!(
        template.value(&template.file["Outputs"]["SecurityGroup"]["Value"]),
        "SecurityGroup.GroupId"
    );
}

#[test]
fn tasks_are_scaled_and_updates_keep_their_number() {
    let template = template(GUNICORN);
    let target =
        template.properties("ScalableTarget", "AWS::ApplicationAutoScaling::ScalableTarget");
    assert!(number(&target["MinCapacity"]) < number(&target["MaxCapacity"]));
    assert_eq!(target["ResourceId"], "service/default/Service.Name");
    assert_eq!(target["ScalableDimension"], "ecs:service:DesiredCount");
    let policy = template.properties("ScalingPolicy", "AWS::ApplicationAutoScaling::ScalingPolicy");
    assert_eq!(policy["ScalingTargetId"], "ScalableTarget");
    assert!(template.properties("Service", "AWS::ECS::Service")["DesiredCount"].is_null());
}

#[test]
fn logs_outlive_the_stack() {
    for values in VARIANTS {
        let template = template(values);
        let group = &template.file["Resources"]["LogGroup"];
        for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
            assert_eq!(group[policy], "Retain", "{policy}");
        }
        assert!(template.properties("LogGroup", "AWS::Logs::LogGroup")["RetentionInDays"].is_u64());
        for name in ["TaskDefinition", "ManageDefinition"] {
            for container in list(&task(values, name)["containerDefinitions"], Clone::clone) {
                let options = &container["logConfiguration"]["options"];
                assert_eq!(options["awslogs-group"], "LogGroup", "{}", container["name"]);
            }
        }
    }
}

/// The collector's own configuration, in a variable.
fn collector(values: &[(&str, &str)]) -> Value {
    let container = container(&task(values, "TaskDefinition"), "metrics");
    assert_eq!(container["essential"], false);
    let [variable] = list(&container["environment"], Clone::clone).try_into().unwrap();
    assert_eq!(variable["name"], "AOT_CONFIG_CONTENT");
    yaml::parse(&word(&variable["value"]))
}

#[test]
fn metrics_are_sent_from_the_admin_listener_to_aws() {
    let names: Vec<String> =
        list(&task(GUNICORN, "TaskDefinition")["containerDefinitions"], |one| word(&one["name"]));
    assert_eq!(names, ["startup", "app", "sideman"]);
    let config = collector(EVERYTHING);
    let scrape = &config["receivers"]["prometheus"]["config"]["scrape_configs"][0];
    assert_eq!(scrape["static_configs"][0]["targets"], json!(["127.0.0.1:9180"]));
    let pipeline = &config["service"]["pipelines"]["metrics"];
    assert_eq!(pipeline["exporters"], json!(["prometheusremotewrite"]));
    for part in ["receivers", "processors", "exporters"] {
        let used = list(&pipeline[part], word);
        let defined: Vec<&String> = config[part].as_object().unwrap().keys().collect();
        assert!(
            used.len() == defined.len() && used.iter().all(|one| defined.contains(&one)),
            "{part}"
        );
    }
    let admin = config::KEYS.iter().find(|key| key.name == "admin.listen").unwrap();
    assert_eq!(admin.default, Some(["127.0.0.1:9180"].as_slice()), "where metrics are");

    let exporter = &config["exporters"]["prometheusremotewrite"];
    let endpoint =
        "https://aps-workspaces.AWS::Region.amazonaws.com/workspaces/ws-1/api/v1/remote_write";
    assert_eq!(exporter["endpoint"], endpoint);
    // Tasks are distinguished by their ARN: all of them scrape the same loopback address.
    assert_eq!(exporter["resource_to_telemetry_conversion"]["enabled"], true);
    assert_eq!(config["service"]["extensions"], json!(["sigv4auth"]));
    let may = |values, resource: &str| {
        allowed(&statements(&template(values), "TaskRole"), &json!(resource))
    };
    let workspace = "arn:AWS::Partition:aps:AWS::Region:AWS::AccountId:workspace/ws-1";
    assert_eq!(may(EVERYTHING, workspace), ["aps:RemoteWrite"]);
    assert_eq!(may(GUNICORN, "LogGroup.Arn"), [] as [&str; 0]);
}

#[test]
fn metrics_for_cloudwatch_are_lines_of_the_log_and_scale_the_service() {
    let task = task(CLOUDWATCH, "TaskDefinition");
    let names = list(&task["containerDefinitions"], |one| word(&one["name"]));
    assert_eq!(names, ["startup", "app", "sideman"]);
    let variable = |values| {
        let sideman = container(&self::task(values, "TaskDefinition"), "sideman");
        let variables = list(&sideman["environment"], Clone::clone);
        variables.into_iter().find(|one| one["name"] == "SIDEMAN_METRICS__EMF")
    };
    assert_eq!(variable(CLOUDWATCH).unwrap()["value"], "on");
    assert_eq!(variable(GUNICORN), None);
    let template = template(CLOUDWATCH);
    let policy =
        template.properties("SaturationPolicy", "AWS::ApplicationAutoScaling::ScalingPolicy");
    let tracked = &policy["TargetTrackingScalingPolicyConfiguration"];
    let metric = &tracked["CustomizedMetricSpecification"];
    // The names in the lines: src/telemetry/emf.rs.
    let source = text("src/telemetry/emf.rs");
    for name in ["Namespace", "MetricName", "Unit"] {
        assert!(source.contains(&format!("\"{}\"", word(&metric[name]))), "{name}");
    }
    let dimensions = list(&metric["Dimensions"], |one| word(&one["Name"]));
    assert_eq!(dimensions, ["ClusterName", "ServiceName"]);
    assert!(source.contains("[[\"ClusterName\", \"ServiceName\"]]"));
}

#[test]
fn every_parameter_and_resource_is_used() {
    let source = text(FILE);
    let template = template(EVERYTHING);
    let file = &template.file;
    for name in file["Parameters"].as_object().unwrap().keys() {
        let used = [format!("Ref: {name}}}"), format!("${{{name}}}")];
        assert!(used.iter().any(|one| source.contains(one)), "{name} is not used");
    }
    for name in file["Conditions"].as_object().unwrap().keys() {
        let uses = source.matches(name.as_str()).count();
        assert!(uses >= 2, "{name} is not used");
    }
    for name in file["Resources"].as_object().unwrap().keys() {
        // All values evaluate, so nothing refers to a missing resource.
        assert!(template.value(&file["Resources"][name]["Properties"]).is_object(), "{name}");
    }
}
