//! The names of the ECS service that this task belongs to, from the task metadata endpoint, version 4.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html>

use std::{
    ffi::OsStr,
    fmt,
    io::{self, Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use http::Uri;
use serde::Deserialize;

use crate::{config::Environment, telemetry::emf::EmfService};

/// The variable with the endpoint, which the ECS agent sets in every container.
const VARIABLE: &str = "ECS_CONTAINER_METADATA_URI_V4";
/// How long connecting, and each read and write may take. The endpoint is on the same machine.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest response that is read, in bytes. A container takes about 2 kB of it.
const MAX_RESPONSE: u64 = 1 << 20;

/// The endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lifecycle) struct TaskMetadata {
    host: String,
    port: u16,
    path: String,
}

/// Why the names are not known.
#[derive(Debug)]
pub(in crate::lifecycle) enum TaskMetadataError {
    Connection(io::Error),
    /// The status line of a response other than 200.
    Status(String),
    /// The response is not the description of a task.
    Content(serde_json::Error),
}

/// The description of a task, as far as it is used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Task {
    /// A name, or an ARN.
    cluster: String,
    #[serde(rename = "TaskARN")]
    task_arn: String,
    family: String,
    /// Missing if no service has started the task, and from old agents.
    service_name: Option<String>,
}

// === impl TaskMetadata ===

impl TaskMetadata {
    /// Returns the endpoint that the environment names.
    pub(super) fn of(environment: &Environment) -> Option<Self> {
        let uri: Uri = environment.get(OsStr::new(VARIABLE))?.to_str()?.parse().ok()?;
        Some(Self {
            host: uri.host()?.to_owned(),
            port: uri.port_u16().unwrap_or(80),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Asks the endpoint. Blocks.
    pub(in crate::lifecycle) fn read(&self) -> Result<EmfService, TaskMetadataError> {
        let response = self.get().map_err(TaskMetadataError::Connection)?;
        let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
        let status = head.lines().next().unwrap_or_default();
        if status.split(' ').nth(1) != Some("200") {
            return Err(TaskMetadataError::Status(status.to_owned()));
        }
        let task: Task = serde_json::from_str(body).map_err(TaskMetadataError::Content)?;
        Ok(EmfService {
            cluster: last_part(&task.cluster),
            service: task.service_name.unwrap_or(task.family),
            task: last_part(&task.task_arn),
        })
    }

    /// In HTTP/1.0, a response has no chunks and ends with the connection (RFC 9112, 6.3).
    fn get(&self) -> io::Result<String> {
        let Self { host, port, path } = self;
        let address = (host.as_str(), *port).to_socket_addrs()?.next();
        let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        write!(stream, "GET {path}/task HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
        let mut response = String::new();
        stream.take(MAX_RESPONSE).read_to_string(&mut response)?;
        Ok(response)
    }
}

/// The name at the end of an ARN.
fn last_part(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}

// === impl TaskMetadataError ===

impl fmt::Display for TaskMetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => write!(f, "cannot connect: {error}"),
            Self::Status(line) => write!(f, "the response is {line:?}, not 200"),
            Self::Content(error) => write!(f, "the response does not describe a task: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// Serves one response; returns the request.
    fn ask(response: &'static str) -> (Result<EmfService, TaskMetadataError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(response.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let uri = format!("http://{address}/v4/0a1b-2");
        let environment = [(VARIABLE.into(), uri.into())].into_iter().collect();
        let read = TaskMetadata::of(&environment).unwrap().read();
        (read, server.join().unwrap())
    }

    #[test]
    fn names_of_the_service_are_read() {
        let (read, request) =
            ask("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"Cluster\":\
             \"arn:aws:ecs:eu-central-1:111122223333:cluster/prod\",\"TaskARN\":\
             \"arn:aws:ecs:eu-central-1:111122223333:task/prod/0a1b\",\"Family\":\"site-task\",\
             \"ServiceName\":\"site\",\"Containers\":[]}");
        let expected =
            EmfService { cluster: "prod".into(), service: "site".into(), task: "0a1b".into() };
        assert_eq!(read.unwrap(), expected);
        assert!(request.starts_with("GET /v4/0a1b-2/task HTTP/1.0\r\n"), "{request}");
    }

    #[test]
    fn task_without_a_service_has_the_name_of_its_family() {
        let (read, _) = ask(
            "HTTP/1.1 200 OK\r\n\r\n{\"Cluster\":\"default\",\"TaskARN\":\"task/default/1\",\"Family\":\"once\"}",
        );
        assert_eq!(read.unwrap().service, "once");
    }

    #[test]
    fn other_responses_are_errors() {
        for (response, expected) in [
            (
                "HTTP/1.0 404 Not Found\r\n\r\n",
                "the response is \"HTTP/1.0 404 Not Found\", not 200",
            ),
            ("", "the response is \"\", not 200"),
            (
                "HTTP/1.0 200 OK\r\n\r\n{}",
                "the response does not describe a task: missing field `Cluster`",
            ),
            ("HTTP/1.0 200 OK\r\n\r\n", "the response does not describe a task: EOF"),
        ] {
            let error = ask(response).0.unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn endpoint_is_known_only_in_a_task() {
        assert_eq!(TaskMetadata::of(&Environment::default()), None);
        let environment = [(VARIABLE.into(), "/v4/0a1b".into())].into_iter().collect();
        assert_eq!(TaskMetadata::of(&environment), None);
    }
}
