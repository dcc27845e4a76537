//! The layers of ARCHITECTURE.md as data: the one place that allows an arrow.

/// One top-level module and what it may import.
pub(crate) struct Module {
    pub(crate) name: &'static str,
    pub(crate) may_import: &'static [&'static str],
}

/// Every top-level module, lowest layer first: a row imports from rows above it only.
pub(crate) const TABLE: &[Module] = &[
    // The root lists modules. A name re-exported there would be an arrow that nobody sees.
    Module { name: "lib", may_import: &[] },
    // Layer 0: nothing of ours.
    Module { name: "error", may_import: &[] },
    Module { name: "phase", may_import: &[] },
    Module { name: "rfc", may_import: &[] },
    Module { name: "sync", may_import: &[] },
    // Encoders. Which responses they are for is decided above.
    Module { name: "compression", may_import: &[] },
    // What fuzz targets make of their bytes: for those that stand beside private parsers too.
    Module { name: "fuzz_input", may_import: &[] },
    // Layer 1. The phase is a value that telemetry shows, as settings are.
    Module { name: "plan", may_import: &["rfc"] },
    Module { name: "body", may_import: &["error", "sync"] },
    // The client for everything but the application.
    Module { name: "outgoing", may_import: &[] },
    // Mistakes that the checks of a command and the status of the process report alike.
    Module { name: "finding", may_import: &["plan"] },
    Module { name: "telemetry", may_import: &["error", "phase", "sync", "plan", "finding"] },
    // Layer 2: never each other.
    Module { name: "files", may_import: FOR_PARTS },
    Module { name: "cache", may_import: FOR_PARTS },
    // Signatures and keys for buckets. What is requested there is decided by the pipeline.
    Module { name: "aws", may_import: &["rfc", "plan", "outgoing"] },
    // Certificates from an authority: a thread beside the requests, which see the pending challenges alone.
    Module { name: "acme", may_import: &["rfc", "outgoing", "plan", "telemetry"] },
    // The link between the caches of several processes: it knows neither the cache nor the requests.
    Module { name: "redis", may_import: &["error", "rfc", "sync", "plan", "telemetry"] },
    Module {
        name: "upstream",
        may_import: &["error", "rfc", "sync", "fuzz_input", "plan", "body", "telemetry"],
    },
    // Layer 3: everything below. Health answers with the phase.
    Module {
        name: "pipeline",
        may_import: &[
            "error",
            "phase",
            "rfc",
            "compression",
            "fuzz_input",
            "plan",
            "body",
            "telemetry",
            "files",
            "cache",
            "aws",
            "acme",
            "redis",
            "upstream",
        ],
    },
    // Layer 4: reaches the parts through the pipeline alone, but for the challenges within a TLS handshake.
    Module {
        name: "server",
        may_import: &[
            "error",
            "phase",
            "rfc",
            "fuzz_input",
            "plan",
            "body",
            "finding",
            "telemetry",
            "acme",
            "pipeline",
        ],
    },
    // Layer 5.
    Module { name: "config", may_import: &["plan", "rfc"] },
    // Writes settings as text: `config` reads it in the tests only.
    Module { name: "import_nginx", may_import: &[] },
    Module {
        name: "lifecycle",
        may_import: &[
            "compression",
            "outgoing",
            "config",
            "phase",
            "plan",
            "finding",
            "telemetry",
            "acme",
            "redis",
            "pipeline",
            "server",
        ],
    },
    // Compiled for tests and for cargo-fuzz: reaches the parsers that it tries.
    Module {
        name: "fuzzing",
        may_import: &[
            "rfc",
            "fuzz_input",
            "outgoing",
            "aws",
            "acme",
            "redis",
            "upstream",
            "pipeline",
            "server",
            "config",
            "import_nginx",
        ],
    },
    // Layer 6. `check` prints the plan, `demo` waits for a phase.
    Module {
        name: "command",
        may_import: &["config", "finding", "import_nginx", "lifecycle", "plan", "phase"],
    },
    Module { name: "allocator", may_import: &[] },
    Module {
        name: "main",
        may_import: &["allocator", "command", "config", "lifecycle", "plan", "phase"],
    },
];

const FOR_PARTS: &[&str] = &["error", "rfc", "sync", "compression", "plan", "body", "telemetry"];

/// The row of a top-level module.
pub(crate) fn row(name: &str) -> Option<&'static Module> {
    TABLE.iter().find(|module| module.name == name)
}

#[test]
fn arrows_point_upwards_in_the_table() {
    for (index, module) in TABLE.iter().enumerate() {
        for import in module.may_import {
            let above = TABLE.iter().take(index).any(|earlier| earlier.name == *import);
            assert!(above, "{} may import {import}, which is no row above it", module.name);
        }
    }
}
