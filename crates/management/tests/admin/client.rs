//! The client against a scripted broker.

use management::{All, Client, ClientError, Request, socket_path};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::JoinHandle;

/// Answers each of the connections that come with one line; gives back what they asked.
fn serve(folder: &Path, answers: &'static [&'static str]) -> JoinHandle<Vec<String>> {
    // Bound where the path is short, for that of the folder may be too long.
    let listener = {
        let short = tempfile::tempdir().unwrap();
        let path = short.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        fs::rename(path, socket_path(folder)).unwrap();
        listener
    };
    std::thread::spawn(move || {
        let answer = |answer: &&str| {
            let (stream, _) = listener.accept().unwrap();
            let mut asked = String::new();
            BufReader::new(&stream).read_line(&mut asked).unwrap();
            (&stream).write_all(answer.as_bytes()).unwrap();
            asked
        };
        answers.iter().map(answer).collect()
    })
}

fn ask(folder: &Path) -> Result<serde_json::Value, ClientError> {
    Client::connect(folder)?.call(&Request::ListQueues(All {}))
}

#[test]
fn asks_and_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("x".repeat(100)).join("y".repeat(100));
    fs::create_dir_all(&long).unwrap();
    for folder in [folder.path(), &long] {
        let answers = &["{\"ok\":[]}\n", "{\"error\":\"no\"}\n", "", "{}\n"];
        let serving = serve(folder, answers);
        assert_eq!(ask(folder).unwrap(), serde_json::json!([]));
        assert_eq!(ask(folder).unwrap_err().to_string(), "no");
        assert!(matches!(ask(folder), Err(ClientError::Closed(_))));
        assert!(matches!(ask(folder), Err(ClientError::Unreadable(_))));
        let asked = serving.join().unwrap();
        assert!(
            asked
                .iter()
                .all(|line| line == "{\"command\":\"list_queues\"}\n")
        );
    }
}

#[test]
fn without_a_broker_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let check = || {
        let error = ask(folder.path()).unwrap_err().to_string();
        for part in [
            "admin.sock",
            folder.path().to_str().unwrap(),
            "barid serve",
            "--data-dir",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
    };
    check();
    // One that a crash has left.
    drop(UnixListener::bind(socket_path(folder.path())).unwrap());
    check();
}
