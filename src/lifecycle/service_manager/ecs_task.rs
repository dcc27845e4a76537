//! The names of the ECS service that this task belongs to, from the task metadata endpoint, version 4.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html>

use std::{ffi::OsStr, fmt, io, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use serde::Deserialize;
use tokio::runtime;

use crate::{
    config::Environment,
    outgoing::{Authorities, Bounds, HttpClient, OutgoingError},
    telemetry::emf::EmfService,
};

/// The variable with the endpoint, which the ECS agent sets in every container.
const VARIABLE: &str = "ECS_CONTAINER_METADATA_URI_V4";
/// The endpoint is on the same machine. Of its response, a container takes about 2 kB.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), max_response: 1 << 20 };

/// The URI of the endpoint's description of the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lifecycle) struct TaskMetadata(Uri);

/// Why the names are not known.
#[derive(Debug)]
pub(in crate::lifecycle) enum TaskMetadataError {
    Runtime(io::Error),
    Request(OutgoingError),
    /// Other than 200.
    Status(StatusCode),
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
        let endpoint = environment.get(OsStr::new(VARIABLE))?.to_str()?;
        let uri: Uri = format!("{}/task", endpoint.trim_end_matches('/')).parse().ok()?;
        uri.host().is_some().then_some(Self(uri))
    }

    /// Asks the endpoint. Blocks.
    pub(in crate::lifecycle) fn read(&self) -> Result<EmfService, TaskMetadataError> {
        let client = HttpClient::new(Authorities::Public).map_err(TaskMetadataError::Request)?;
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = self.0.clone();
        let response = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(TaskMetadataError::Runtime)?
            .block_on(client.send(request, BOUNDS))
            .map_err(TaskMetadataError::Request)?;
        if response.status() != StatusCode::OK {
            return Err(TaskMetadataError::Status(response.status()));
        }
        let task: Task =
            serde_json::from_slice(response.body()).map_err(TaskMetadataError::Content)?;
        Ok(EmfService {
            cluster: last_part(&task.cluster),
            service: task.service_name.unwrap_or(task.family),
            task: last_part(&task.task_arn),
        })
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
            Self::Runtime(error) => write!(f, "cannot send the request: {error}"),
            Self::Request(error) => error.fmt(f),
            Self::Status(status) => {
                write!(f, "the status of the response is {}, not 200", status.as_u16())
            }
            Self::Content(error) => write!(f, "the response does not describe a task: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        thread,
    };

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
        assert!(request.starts_with("GET /v4/0a1b-2/task HTTP/1.1\r\n"), "{request}");
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
            ("HTTP/1.0 404 Not Found\r\n\r\n", "the status of the response is 404, not 200"),
            ("", "no valid response: connection closed before message completed"),
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
