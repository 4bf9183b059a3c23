//! Servers that never outlive the tests.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::tools;

/// A server under `supervise`, which stops it as soon as this process closes the pipe: also when a test is killed.
pub struct Supervised {
    child: Child,
}

impl Supervised {
    /// Starts `command` with its output in `log`. Its `folder` goes with it; one that ends by itself leaves it, with the
    /// log.
    pub fn start(command: &mut Command, log: &Path, folder: &Path) -> Self {
        let mut supervise = Command::new(tools::supervise());
        supervise
            .arg("--log")
            .arg(log)
            .arg("--remove")
            .arg(folder)
            .arg("--")
            .arg(command.get_program())
            .args(command.get_args());
        supervise.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let child = supervise.stdin(Stdio::piped()).spawn().expect("supervise starts");
        Self { child }
    }

    /// Waits until `ready` says so; fails with the end of the log when the server ends or a minute has passed.
    pub fn wait(&mut self, log: &Path, mut ready: impl FnMut() -> bool) {
        let started = Instant::now();
        while !ready() {
            let ended = self.child.try_wait().expect("the supervisor can be asked");
            if ended.is_some() || started.elapsed() > Duration::from_secs(60) {
                let log = fs::read_to_string(log).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(20).collect();
                panic!("the server did not become ready; its last lines, newest first:\n{}", tail.join("\n"));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A port of the loopback address that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// The HTTP status that plain `GET path` gets, `None` while nobody answers.
pub fn http_status(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head[9..]).ok()?.parse().ok()
}
