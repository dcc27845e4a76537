//! Reads a file of docker compose.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{
    expand::{UNKNOWN, Values},
    facts::{Container, Dependency, Deployment, DeploymentKind, Mount, Volume},
    read_json::{at, flag, list, number, pairs, text, time, variables, word, words},
    yaml,
};

/// The time that a container has to stop, if it names none.
const STOP: Duration = Duration::from_secs(10);

/// Reads the file's text.
pub(super) fn read(text: &str, values: &Values) -> Result<Deployment, String> {
    let file = &values.expand(yaml::parse(text)?);
    let services = at(file, "services").as_object();
    let services = services.ok_or("services is missing: give a file of docker compose")?;
    let is_outside = |(_, network): (_, &Value)| flag(at(network, "external"), false);
    let has_aliases = |service: &Value| {
        let keys = ["extends", "links", "external_links", "extra_hosts"];
        keys.into_iter().any(|key| !at(service, key).is_null())
    };
    let includes = !at(file, "include").is_null();
    // A service that others extend is a part of them, as they are of it.
    let extends = |name: &str| {
        let key = |service: &Value| word(at(service, "extends.service"));
        let mut others = services.values();
        others.any(|one| key(one).or_else(|| word(at(one, "extends"))).as_deref() == Some(name))
    };
    let mut deployment = Deployment {
        kind: DeploymentKind::Compose,
        containers: services
            .iter()
            .map(|(name, service)| {
                let inherits =
                    extends(name) || !at(service, "extends").is_null() || is_incomplete(service);
                container(name, service, inherits)
            })
            .collect(),
        volumes: pairs(at(file, "volumes")).map(volume).collect(),
        shares_network: false,
        has_other_names: includes
            || pairs(at(file, "networks")).any(is_outside)
            || services.values().any(has_aliases),
        is_partial: includes || services.values().any(is_incomplete),
        environment: None,
        balancer: None,
        memory: None,
    };
    // A file with Sideman alone is an addition to another one.
    deployment.is_partial |= deployment.sidemen().len() == deployment.containers.len();
    Ok(deployment)
}

/// Whether the rest of a service is in another file.
fn is_incomplete(service: &Value) -> bool {
    ["image", "build", "extends", "provider"].into_iter().all(|key| at(service, key).is_null())
}

/// Reads a service. If it inherits, what is missing may be in another one.
fn container(name: &str, service: &Value, inherits: bool) -> Container {
    let is_checked = !flag(at(service, "healthcheck.disable"), false);
    let check = at(service, "healthcheck.test");
    let check = match check.as_str() {
        Some(shell) => vec!["CMD-SHELL".into(), shell.to_owned()],
        None => words(check),
    };
    let nofile = at(service, "ulimits.nofile");
    let variables = environment(at(service, "environment"));
    let entry_point = words(at(service, "entrypoint"));
    let mounts = list(at(service, "volumes"));
    // A text has its path behind the source.
    let has_path = |one: &&Value| mount(one).is_some() || *at(one, "type") == "tmpfs";
    Container {
        name: name.to_owned(),
        aliases: aliases(service),
        image: text(at(service, "image")).unwrap_or_default(),
        has_more_variables: inherits
            || !at(service, "env_file").is_null()
            || variables.keys().any(|name| name.contains(UNKNOWN)),
        variables,
        inherits,
        is_built: !at(service, "build").is_null(),
        has_more_mounts: inherits
            || !at(service, "volumes_from").is_null()
            || mounts.iter().filter(has_path).count() < mounts.len(),
        borrows_network: word(at(service, "network_mode")).is_some_and(|mode| {
            mode == "host" || mode.starts_with("service:") || mode.starts_with("container:")
        }),
        has_no_entry_point: !at(service, "entrypoint").is_null() && entry_point.is_empty(),
        entry_point,
        command: words(at(service, "command")),
        health: if is_checked { check } else { Vec::new() },
        ports: list(at(service, "ports")).iter().filter_map(port).collect(),
        mounts: mounts.iter().filter_map(mount).collect(),
        in_memory: in_memory(service),
        depends: depends(service),
        is_essential: true,
        // Another file may have it.
        stop: match service.get("stop_grace_period") {
            None => (!inherits).then_some(STOP),
            Some(value) => time(value),
        },
        // Zero is no limit.
        memory: bytes(at(service, "mem_limit"))
            .or_else(|| bytes(at(service, "deploy.resources.limits.memory")))
            .filter(|limit| *limit > 0),
        descriptors: number(nofile).or_else(|| number(at(nofile, "hard"))),
    }
}

fn aliases(service: &Value) -> Vec<String> {
    let own = ["container_name", "hostname"].into_iter().filter_map(|key| word(at(service, key)));
    let networks = pairs(at(service, "networks"));
    let of_networks =
        networks.flat_map(|(_, network)| list(at(network, "aliases")).iter().filter_map(word));
    own.chain(of_networks).collect()
}

/// `NAME: value`, or a list of `NAME=value`. A name without a value has one of the shell.
fn environment(value: &Value) -> BTreeMap<String, Option<String>> {
    let items = list(value).iter().filter_map(text).map(|text| match text.split_once('=') {
        Some((name, value)) if !value.contains(UNKNOWN) => (name.to_owned(), Some(value.into())),
        Some((name, _)) => (name.to_owned(), None),
        None => (text, None),
    });
    let mut all = variables(value);
    all.extend(items);
    all
}

/// `8080:80/tcp`, `127.0.0.1:8080:80`, or the long form. A range is left out.
fn port(value: &Value) -> Option<u16> {
    if value.is_object() {
        return u16::try_from(number(at(value, "target"))?).ok();
    }
    let text = text(value)?;
    let text = text.split('/').next()?;
    text.rsplit(':').next()?.parse().ok()
}

/// `volume:path:ro`, or the long form.
fn mount(value: &Value) -> Option<Mount> {
    if value.is_object() {
        if *at(value, "type") == "tmpfs" {
            return None;
        }
        let is_volume = *at(value, "type") != "bind";
        return Some(Mount {
            volume: word(at(value, "source")).filter(|_| is_volume),
            path: word(at(value, "target"))?,
            is_read_only: flag(at(value, "read_only"), false),
        });
    }
    let text = text(value)?;
    let mut parts = text.split(':');
    let (source, path) = (parts.next()?, parts.next());
    if path.unwrap_or(source).contains(UNKNOWN) {
        return None;
    }
    let Some(path) = path else {
        // A volume without a name.
        return Some(Mount { volume: None, path: source.to_owned(), is_read_only: false });
    };
    let options = parts.next().unwrap_or_default();
    let is_of_host = source.starts_with(['.', '/', '~']) || source.contains(UNKNOWN);
    Some(Mount {
        volume: (!is_of_host).then(|| source.to_owned()),
        path: path.to_owned(),
        // An option that is not known may be this one.
        is_read_only: options.split(',').any(|one| one == "ro" || one.contains(UNKNOWN)),
    })
}

fn in_memory(service: &Value) -> Vec<String> {
    let tmpfs = at(service, "tmpfs");
    let short: Vec<String> = match tmpfs.as_str() {
        Some(one) => vec![one.to_owned()],
        None => list(tmpfs).iter().filter_map(word).collect(),
    };
    let short = short.into_iter().filter_map(|one| one.split(':').next().map(str::to_owned));
    let is_tmpfs = |one: &&Value| *at(one, "type") == "tmpfs";
    let long = list(at(service, "volumes")).iter().filter(is_tmpfs);
    short.chain(long.filter_map(|one| word(at(one, "target")))).collect()
}

/// Returns the containers that a service waits for. The other keys need them as `depends_on` does.
fn depends(service: &Value) -> Vec<Dependency> {
    let value = at(service, "depends_on");
    let links = ["links", "volumes_from"].into_iter().flat_map(|key| list(at(service, key)));
    let borrowed = ["network_mode", "ipc", "pid"]
        .into_iter()
        .filter_map(|key| word(at(service, key))?.strip_prefix("service:").map(str::to_owned));
    let links = links.filter_map(word).filter_map(|one| one.split(':').next().map(str::to_owned));
    let short = list(value).iter().filter_map(word).chain(links).chain(borrowed);
    let short = short.map(|on| Dependency { on, until_end: false });
    let long = pairs(value).map(|(on, how)| Dependency {
        on: on.clone(),
        until_end: *at(how, "condition") == "service_completed_successfully",
    });
    short.chain(long).collect()
}

fn volume((name, value): (&String, &Value)) -> Volume {
    let is_outside = flag(at(value, "external"), false);
    let has_driver = !at(value, "driver_opts").is_null() || !at(value, "driver").is_null();
    Volume { name: name.clone(), is_private: !is_outside && !has_driver }
}

/// A size such as `64m`, `1gb`, or a number of bytes.
fn bytes(value: &Value) -> Option<u64> {
    if let Some(bytes) = number(value) {
        return Some(bytes);
    }
    let text = value.as_str()?.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(end);
    let shift = match unit {
        "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_forms_are_read() {
        let text = "
services:
  sideman:
    image: sideman:1
    environment: [SIDEMAN_UPSTREAM=http://app:8000, TOKEN]
    ports: ['127.0.0.1:80:8080/tcp', {target: 8443, published: '443'}, 9180]
    volumes: ['static:/srv/static:ro', './media:/srv/media', {type: tmpfs, target: /tmp}]
    tmpfs: /run:size=1m
    depends_on: [app]
    mem_limit: 64m
    ulimits: {nofile: {soft: 1, hard: 2}}
    healthcheck: {test: curl localhost}
volumes: {static: , other: {external: true}}
";
        let deployment = read(text, &Values::default()).unwrap();
        let [sideman] = deployment.containers.as_slice() else { panic!("{deployment:?}") };
        assert_eq!(sideman.variables["SIDEMAN_UPSTREAM"].as_deref(), Some("http://app:8000"));
        assert_eq!(sideman.variables["TOKEN"], None);
        assert_eq!(sideman.ports, [8080, 8443, 9180]);
        assert_eq!(sideman.in_memory, ["/run", "/tmp"]);
        assert_eq!(sideman.mounts.len(), 2);
        assert_eq!(sideman.mounts[0].volume.as_deref(), Some("static"));
        assert!(sideman.mounts[0].is_read_only && sideman.mounts[1].volume.is_none());
        assert_eq!(sideman.depends, [Dependency { on: "app".into(), until_end: false }]);
        assert_eq!((sideman.memory, sideman.descriptors), (Some(64 << 20), Some(2)));
        assert_eq!(sideman.stop, Some(Duration::from_secs(10)));
        assert_eq!(sideman.health, ["CMD-SHELL", "curl localhost"]);
        let private: Vec<bool> = deployment.volumes.iter().map(|one| one.is_private).collect();
        assert_eq!(private, [false, true], "other, static");
    }
}
