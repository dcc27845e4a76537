//! The section `routes`, which says what differs below a prefix of the path.

use crate::plan::{FieldEdit, FieldRule, Files, Listen, Purpose, Route, Unbuffered};

use super::{
    build_upstream::Manner,
    field, own_address,
    reader::Reader,
    repeated::repeated,
    route,
    servers::{self, Server},
};

const UPSTREAMS: &str = "routes.upstreams";
const UNBUFFERED: &str = "routes.unbuffered";
const FIELDS: &str = "routes.fields";

/// A prefix with the servers of its application.
type Place = (String, Vec<Server>);

/// The whole section.
pub(super) struct Routes {
    places: Vec<Place>,
    pub(super) unbuffered: Vec<Unbuffered>,
    pub(super) fields: Vec<FieldRule>,
}

/// Reads the section.
pub(super) fn routes(reader: &mut Reader<'_>) -> Option<Routes> {
    let places = places(reader);
    let unbuffered = unbuffered(reader);
    let fields = fields(reader);
    Some(Routes { places: places?, unbuffered: unbuffered?, fields: fields? })
}

// === impl Routes ===

impl Routes {
    /// The other applications, each spoken to in the manner of the first.
    pub(super) fn upstreams(&self, manner: &Manner) -> Vec<Route> {
        let route = |(prefix, servers): &Place| {
            let upstream = manner.towards(servers.clone())?;
            Some(Route { prefix: prefix.clone(), upstream })
        };
        self.places.iter().filter_map(route).collect()
    }

    /// Reports each application that leads back to where Sideman listens.
    pub(super) fn elsewhere(&self, reader: &mut Reader<'_>, listening: &[&Listen]) {
        let servers = self.places.iter().flat_map(|(_, servers)| servers);
        let targets = servers.map(|(_, target)| target);
        own_address::check(reader, (UPSTREAMS, targets), listening);
    }

    /// Reports each application that nothing would reach, because its prefix is one of files: what
    /// is below such a prefix goes to no application.
    pub(super) fn reachable(&self, reader: &mut Reader<'_>, stores: [&Files; 2]) {
        let roots = || stores.iter().flat_map(|files| &files.roots);
        for (prefix, _) in &self.places {
            let Some(root) = roots().find(|root| prefix.starts_with(&root.prefix)) else {
                continue;
            };
            let (name, plain) = match root.purpose {
                Purpose::Static => ("static.roots", "nothing reaches what is below static.roots"),
                Purpose::Media => ("media.roots", "nothing reaches what is below media.roots"),
                Purpose::Internal => ("accel.roots", "nothing reaches what is below accel.roots"),
            };
            let fault = format!(
                "nothing reaches {prefix}: what is below {} is files ({name}); take one of the two out",
                root.prefix
            );
            reader.conflict_of(&[UPSTREAMS, name], fault, plain);
        }
    }
}

/// The servers of a prefix stand together, in the order of the list.
fn places(reader: &mut Reader<'_>) -> Option<Vec<Place>> {
    let mut places: Vec<Place> = Vec::new();
    for (prefix, server) in reader.list(UPSTREAMS, route::upstream, route::show_upstream)? {
        match places.iter_mut().find(|(known, _)| *known == prefix) {
            Some((_, servers)) => servers.push(server),
            None => places.push((prefix, vec![server])),
        }
    }
    for (prefix, servers) in &places {
        for (fault, plain) in servers::faults(servers) {
            reader.conflict_of(&[UPSTREAMS], format!("below {prefix}, {fault}"), plain);
        }
    }
    Some(places)
}

fn unbuffered(reader: &mut Reader<'_>) -> Option<Vec<Unbuffered>> {
    let unbuffered = reader.list(UNBUFFERED, route::unbuffered, route::show_unbuffered)?;
    for prefix in repeated(unbuffered.iter().map(|rule| &rule.prefix)) {
        let fault = format!("{prefix} is here twice: leave one out, or write {prefix}=both");
        reader.conflict_of(&[UNBUFFERED], fault, "a prefix is here twice: leave one out");
    }
    Some(unbuffered)
}

fn fields(reader: &mut Reader<'_>) -> Option<Vec<FieldRule>> {
    let rules = reader.list(FIELDS, field::rule, field::show)?;
    // Of two values for one field the first would be lost.
    let place = |rule: &FieldRule| match &rule.edit {
        FieldEdit::Set(name, _) => format!("{}=set {name}", rule.prefix),
        FieldEdit::Add(..) | FieldEdit::Remove(_) => field::show(rule),
    };
    for place in repeated(rules.iter().map(place)) {
        let fault = format!("{place} is here twice: leave one out");
        reader.conflict_of(&[FIELDS], fault, "a rule is here twice: leave one out");
    }
    Some(rules)
}
